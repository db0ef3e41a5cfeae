import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { StartOverrides } from '../../src/gateway/read-configuration.ts'
import { startOddProcess, startOverridden, startProcess } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import type { Vendors } from '../crash/vendors.ts'
import { freePort } from './free-port.ts'
import { ownServer } from './postgres.ts'
import type { PostgresServer } from './postgres.ts'
import { startS3 } from './s3.ts'

export const NGINX = ['/usr/sbin/nginx', '/usr/bin/nginx'].find((path) => existsSync(path)) ?? null

/** Three gateways, one PostgreSQL, one S3 server and nginx before them, each a process of its own: what `docker compose --profile cluster` is made of. */
export interface Cluster {
  readonly nodes: readonly ServerProcess[]
  /** Counts on over the nodes. */
  node(index: number): ServerProcess
  /** Where nginx listens; null where it is not installed. */
  readonly url: string | null
  readonly database: PostgresServer
  readonly databaseUrl: string
  /** Gives one gateway another configuration while it runs. */
  configure(index: number, more: string): void
  /** Rewrites the configuration of one gateway while it runs. */
  edit(index: number, change: (text: string) => string): void
  /** Ends a gateway with SIGTERM and starts it anew at its address, of this checkout or the one at `root`. */
  restart(index: number, root?: string): Promise<void>
  /** Starts a gateway whose process has ended anew at its address, of this checkout or the one at `root`. */
  startAgain(index: number, root?: string): Promise<void>
  remove(): Promise<void>
}

export interface ClusterOptions {
  /** Lines of every gateway's configuration. */
  readonly more?: string
  /** The gateway that vendors call back; else nginx. */
  readonly calledBack?: number
  /** Where nginx listens; else on a free port. */
  readonly port?: number
  /** How far the wall clock of each gateway's machine is off. */
  readonly clocksMs?: readonly number[]
  /** Of every gateway's start: shorter waits. */
  readonly overrides?: Omit<StartOverrides, 'wrapPorts'>
}

const COUNT = 3

export async function startCluster(
  vendors: Vendors,
  { more = '', calledBack, port, clocksMs, overrides }: ClusterOptions = {},
): Promise<Cluster> {
  const left = new AsyncDisposableStack()
  try {
    const folder = mkdtempSync(join(tmpdir(), 'imagegate-cluster-'))
    left.defer(() => rmSync(folder, { recursive: true, force: true }))
    const database = ownServer()
    left.defer(() => database.remove())
    const databaseUrl = database.url('postgres')
    const ports = await Promise.all([...Array.from({ length: COUNT }, () => freePort()), port ?? freePort()])
    const [bucket, balancer] = await Promise.all([startS3(folder, ['images']), startNginx(folder, ports, left)])
    const url = balancer?.url ?? null
    left.defer(() => bucket.stop())
    const publicPort = calledBack === undefined && url !== null ? ports[COUNT] : ports[calledBack ?? 0]
    const configuration = (lines: string) => configured(publicPort, databaseUrl, bucket.endpoint, lines)
    const nodes: ServerProcess[] = []
    const folders: ReturnType<Vendors['folder']>[] = []
    const start = async (index: number, program?: string): Promise<void> => {
      const own = vendors.folder(configuration(more))
      folders[index] = own
      left.defer(() => own.remove())
      const environment = { ...own.environment, ...S3RVER_KEYS, PORT: String(ports[index]) }
      const node = await begun(environment, own.folder, { clockMs: clocksMs?.[index], overrides, program })
      nodes[index] = node
      left.defer(async () => {
        node.signal('SIGCONT')
        await node.kill('SIGKILL')
      })
    }
    await Promise.all(Array.from({ length: COUNT }, (_, index) => start(index)))
    const node = (index: number): ServerProcess => {
      const found = nodes[index % COUNT]
      if (!found) throw new Error('it was started')
      return found
    }
    return {
      nodes,
      node,
      url,
      database,
      databaseUrl,
      configure: (index, lines) => folders[index]?.write(configuration(lines)),
      edit(index, change) {
        const path = join(folders[index]?.folder ?? '', 'imagegate.yaml')
        writeFileSync(path, change(readFileSync(path, 'utf8')))
      },
      async restart(index, program) {
        await balancer?.leaveOut(index)
        await node(index).kill('SIGTERM')
        await start(index, program)
        await balancer?.leaveOut(null)
      },
      startAgain: start,
      remove: () => left.disposeAsync(),
    }
  } catch (error) {
    await left.disposeAsync()
    throw error
  }
}

const configured = (publicPort: number | undefined, databaseUrl: string, endpoint: string, lines: string): string =>
  [
    `server: { public_url: "http://127.0.0.1:${publicPort}", trust_proxy: [127.0.0.1] }`,
    `store: { url: "${databaseUrl}" }`,
    `assets: { url: "s3://images?endpoint=${encodeURIComponent(endpoint)}&path_style=true" }`,
    lines,
  ].join('\n')

interface Begun {
  readonly clockMs: number | undefined
  readonly overrides: ClusterOptions['overrides']
  readonly program: string | undefined
}

function begun(
  environment: Readonly<Record<string, string>>,
  folder: string,
  { clockMs, overrides, program }: Begun,
): Promise<ServerProcess> {
  if (clockMs !== undefined) return startOddProcess(environment, folder, { clockMs })
  if (overrides !== undefined) return startOverridden(environment, overrides)
  return startProcess(environment, null, program)
}

const S3RVER_KEYS = { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' }

interface Balancer {
  readonly url: string
  /** No request goes to this gateway from now on; null: to all again. */
  leaveOut(index: number | null): Promise<void>
}

/** The processes of an nginx that take connections: one that is shutting down has let go of its address. */
function workersOf(master: number): readonly string[] {
  const children = readFileSync(`/proc/${master}/task/${master}/children`, 'utf8').trim().split(' ')
  return children.filter((pid) => titleOf(pid).startsWith('nginx: worker process') && !titleOf(pid).includes('shutting down'))
}
function titleOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return 'it has ended'
  }
}

/** The load balancer of `deploy/` at free ports. */
async function startNginx(folder: string, ports: readonly number[], left: AsyncDisposableStack): Promise<Balancer | null> {
  if (NGINX === null) return null
  const path = join(folder, 'nginx.conf')
  const write = (leftOut: number | null) => writeFileSync(path, around(site(ports, leftOut), folder))
  write(null)
  const child = spawn(NGINX, ['-p', folder, '-c', path, '-e', join(folder, 'nginx.log'), '-g', 'daemon off;'], { stdio: 'ignore' })
  left.defer(() => ended(child))
  const url = `http://127.0.0.1:${ports[COUNT]}`
  for (let tries = 0; tries < 200; tries++) {
    // 502 is an answer, too: the gateways are being started.
    const answers = await fetch(url).then(
      () => true,
      () => false,
    )
    if (answers) {
      return {
        url,
        async leaveOut(index) {
          const before = workersOf(child.pid ?? 0)
          write(index)
          child.kill('SIGHUP')
          for (let after = before; after.length === 0 || after.some((pid) => before.includes(pid)); after = workersOf(child.pid ?? 0))
            await sleep(10)
        },
      }
    }
    await sleep(25)
  }
  throw new Error(`nginx does not answer:\n${readFileSync(join(folder, 'nginx.log'), 'utf8')}`)
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.kill('SIGTERM')
  })
}

const site = (ports: readonly number[], leftOut: number | null): string =>
  readFileSync(join(import.meta.dirname, '../../deploy/nginx/cluster.conf'), 'utf8')
    .replaceAll(
      /gateway-(\d):8080/g,
      (_, number: string) => `127.0.0.1:${ports[Number(number) - 1]}${Number(number) - 1 === leftOut ? ' down' : ''}`,
    )
    .replace('listen 8080;', `listen 127.0.0.1:${ports[COUNT]};`)

const around = (site: string, folder: string): string => `
worker_processes 1;
pid ${folder}/nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  ${site}
}`
