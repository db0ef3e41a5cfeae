import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { freePort } from './free-port.ts'
import type { S3Server } from './s3.ts'

const SERVERS = ['account', 'container', 'object'] as const
/** What Debian's swift-proxy, swift-account, swift-container and swift-object install. */
export const HAS_SWIFT = [...SERVERS, 'proxy'].every((name) => existsSync(`/usr/bin/swift-${name}-server`))
if (!HAS_SWIFT)
  console.warn(
    'No S3 server that checks signatures is installed: those tests are passed over (apt-get install swift-proxy swift-account swift-container swift-object)',
  )

/** What the server lets in, and nothing else. */
export const SWIFT_KEYS = { AWS_ACCESS_KEY_ID: 'imagegate:gateway', AWS_SECRET_ACCESS_KEY: 'secret-of-the-bucket' }

const section = (name: string, lines: object): string =>
  [`[${name}]`, ...Object.entries(lines).map(([key, value]) => `${key} = ${value}`), ''].join('\n')

/** OpenStack Swift with its S3 API, which checks every signature: one node with its files below `folder`. */
export async function startSwift(folder: string, buckets: readonly string[]): Promise<S3Server> {
  const at = join(folder, 'swift')
  mkdirSync(join(at, 'node/disk'), { recursive: true })
  const write = (name: string, ...sections: readonly string[]): void => writeFileSync(join(at, name), sections.join('\n'))
  write(
    'swift.conf',
    section('swift-hash', { swift_hash_path_suffix: 'imagegate' }),
    section('storage-policy:0', { name: 'all', default: 'yes' }),
  )
  const shared = { bind_ip: '127.0.0.1', workers: 0, user: process.getuid?.() === 0 ? 'root' : (process.env['USER'] ?? ''), swift_dir: at }
  const makeServer = async (name: string): Promise<void> => {
    const port = await freePort()
    const main = { ...shared, bind_port: port, devices: join(at, 'node'), mount_check: false }
    write(
      `${name}.conf`,
      section('DEFAULT', main),
      section('pipeline:main', { pipeline: `${name}-server` }),
      section(`app:${name}-server`, { use: `egg:swift#${name}` }),
    )
    for (const step of [['create', '4', '1', '0'], ['add', `r1z1-127.0.0.1:${port}/disk`, '1'], ['rebalance']])
      await promisify(execFile)('swift-ring-builder', [`${name}.builder`, ...step], { cwd: at })
  }
  await Promise.all(SERVERS.map(makeServer))
  const port = await freePort()
  write(
    'proxy.conf',
    section('DEFAULT', { ...shared, bind_port: port }),
    section('pipeline:main', { pipeline: 'catch_errors cache s3api tempauth listing_formats slo proxy-server' }),
    section('app:proxy-server', { use: 'egg:swift#proxy', account_autocreate: true }),
    ...['catch_errors', 'listing_formats', 'slo'].map((name) => section(`filter:${name}`, { use: `egg:swift#${name}` })),
    // Nobody listens there: nothing is remembered from one request to the next.
    section('filter:cache', { use: 'egg:swift#memcache', memcache_servers: '127.0.0.1:1' }),
    section('filter:tempauth', { use: 'egg:swift#tempauth', user_imagegate_gateway: `${SWIFT_KEYS.AWS_SECRET_ACCESS_KEY} .admin` }),
    section('filter:s3api', { use: 'egg:swift#s3api', location: 'us-east-1' }),
  )
  const children: ChildProcess[] = [...SERVERS, 'proxy'].map((name) =>
    spawn(`/usr/bin/swift-${name}-server`, [join(at, `${name}.conf`)], { stdio: 'ignore' }),
  )
  const stop = (): void => children.forEach((child) => child.kill('SIGKILL'))
  const endpoint = `http://127.0.0.1:${port}`
  try {
    await makeBuckets(endpoint, buckets)
    return { endpoint, stop }
  } catch (error) {
    stop()
    throw error
  }
}

/** On a busy machine five Python programs take their time. */
const START_MS = 90_000

/** The servers start one after the other; a bucket is made once all answer. */
async function makeBuckets(endpoint: string, buckets: readonly string[]): Promise<void> {
  const credentials = { accessKeyId: SWIFT_KEYS.AWS_ACCESS_KEY_ID, secretAccessKey: SWIFT_KEYS.AWS_SECRET_ACCESS_KEY }
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials, maxAttempts: 1 })
  const until = performance.now() + START_MS
  for (const Bucket of buckets) {
    for (;;) {
      const error = await client.send(new CreateBucketCommand({ Bucket })).then(
        () => null,
        (failure: unknown) => failure,
      )
      if (error === null) break
      if (performance.now() > until) throw error
      await pause(100)
    }
  }
  client.destroy()
}
