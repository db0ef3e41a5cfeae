import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from './free-port.ts'

export interface S3Server {
  readonly endpoint: string
  stop(): void
}

/** A real S3 server in a process of its own, with its files below `folder`. It takes any secret, so it proves the calls and not their signatures. */
export async function startS3(folder: string, buckets: readonly string[]): Promise<S3Server> {
  const port = await freePort()
  const script = join(import.meta.dirname, '../../node_modules/s3rver/bin/s3rver.js')
  const named = buckets.flatMap((bucket) => ['--configure-bucket', bucket])
  const args = [script, '-d', join(folder, 's3'), '-a', '127.0.0.1', '-p', String(port), ...named, '--silent']
  const child = spawn(process.execPath, args, { stdio: 'ignore' })
  const endpoint = `http://127.0.0.1:${port}`
  const answers = () =>
    fetch(endpoint).then(
      () => true,
      () => false,
    )
  for (let tries = 0; tries < 400; tries++) {
    if (await answers()) return { endpoint, stop: () => void child.kill() }
    await pause(50)
  }
  child.kill()
  throw new Error('s3rver did not start within 20 s')
}
