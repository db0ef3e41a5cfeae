import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { StartOverrides } from '../../src/gateway/read-configuration.ts'
import { searchRemains, tracedEnvironment, traceGateway } from '../support/traced.ts'
import type { Step } from './steps.ts'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'

const ROOT = resolve(import.meta.dirname, '../..')

/** What `npm start` runs in a checkout; before there were built programs it was the source. */
function serverProgram(root: string): string {
  const program = join(root, 'bin/gateway.mjs')
  return existsSync(program) ? program : join(root, 'src/main.ts')
}

/** A test that fails leaves no server behind. */
const running = new Set<ChildProcess>()
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')))

export interface ServerProcess {
  readonly url: string
  readonly pid: number
  /** Everything it has written so far. */
  said(): string
  /** When it said that it listens, in milliseconds since 1970. */
  readonly listensAt: number
  /** From the spawn until it listened. */
  readonly startMs: number
  /** The signal that ended it, or its exit code. */
  readonly ended: Promise<string>
  kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<string>
  /** Sends a signal that does not end it. */
  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGHUP'): void
}

/** A gateway as its own process, on a free port, of this checkout or the one at `root`; dies by itself where all marked generations have come to `crash.step`, if that is given. */
export async function startProcess(
  environment: Readonly<Record<string, string>>,
  crash: { readonly step: Step; readonly marks: readonly string[] } | null = null,
  root = ROOT,
): Promise<ServerProcess> {
  const program = crash ? [join(import.meta.dirname, 'crashing-server.ts'), crash.step, ...crash.marks] : [serverProgram(root)]
  return spawnServer(program, environment)
}

/** A gateway as its own process whose start is overridden: which providers are installed, how quick the emulated ones are. */
export const startOverridden = (
  environment: Readonly<Record<string, string>>,
  overrides: Omit<StartOverrides, 'wrapPorts'>,
): Promise<ServerProcess> =>
  spawnServer([join(ROOT, 'test/support/gateway-main.ts')], { ...environment, START_OVERRIDES: JSON.stringify(overrides) })

/** The same under what a shell sets before it: `umask 022`, `ulimit -n 128`. */
export const startUnder = (
  limits: string,
  environment: Readonly<Record<string, string>>,
  overrides: Omit<StartOverrides, 'wrapPorts'> = {},
): Promise<ServerProcess> =>
  spawnServer([join(ROOT, 'test/support/gateway-main.ts')], { ...environment, START_OVERRIDES: JSON.stringify(overrides) }, [
    'sh',
    '-c',
    `${limits}; exec "$0" "$@"`,
  ])

export interface OddProcess extends ServerProcess {
  change(oddness: object): void
}

/** A gateway on a machine whose clock and disk are as odd as `machine` says; `change` makes it odd in another way. */
export async function startOddProcess(
  environment: Readonly<Record<string, string>>,
  folder: string,
  machine: object = {},
): Promise<OddProcess> {
  const file = join(folder, 'machine.json')
  const change = (oddness: object): void => writeFileSync(file, JSON.stringify({ ...machine, ...oddness }))
  change({})
  const server = await spawnServer([join(import.meta.dirname, 'odd-server.ts')], { ...environment, ODD_MACHINE: file })
  return { ...server, change }
}

async function spawnServer(
  program: readonly string[],
  environment: Readonly<Record<string, string>>,
  before: readonly string[] = [],
): Promise<ServerProcess> {
  const spawnedAt = Date.now()
  const [command = process.execPath, ...args] = [...before, process.execPath, ...program]
  const child = spawn(command, args, {
    cwd: ROOT,
    env: { ...BARE_ENVIRONMENT, PORT: '0', LOG_LEVEL: 'info', ...tracedEnvironment(environment) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  child.once('exit', () => running.delete(child))
  let said = ''
  child.stderr.on('data', (chunk) => (said += String(chunk)))
  const ended = once(child, 'exit').then(([code, signal]) => String(signal ?? code))
  const lines = createInterface({ input: child.stdout })
  const url = await new Promise<string>((resolve, reject) => {
    lines.on('line', (line) => {
      said += `${line}\n`
      const address = /listens on (http:\/\/[\d.:]+)/.exec(line)?.[1]
      if (address !== undefined) resolve(address)
    })
    void ended.then((how) => reject(new Error(`the server ended (${how}) before it listened:\n${said.slice(-4_000)}`)))
  })
  const listensAt = Date.now()
  traceGateway(url)
  return {
    url,
    pid: child.pid ?? 0,
    said: () => said,
    listensAt,
    startMs: listensAt - spawnedAt,
    ended,
    kill(signal) {
      child.kill(signal)
      void ended.then(() => searchRemains(said, environment['IMAGEGATE_DATA']))
      return ended
    },
    signal: (signal) => void child.kill(signal),
  }
}
