import { useRealSockets } from '../transport/real-sockets.ts'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import type { Generation } from '#contract'
import { startOverridden } from '../crash/process.ts'
import { startInlineVendor } from '../support/inline-vendor.ts'
import { startS3 } from '../support/s3.ts'

useRealSockets()

/** More than an SDK of S3 has connections. */
const DAWDLERS = 60

test('readers who take nothing of an image in a bucket hold none of its connections, and each gets all of it once it goes on', async () => {
  const { url, bucket, imageBytes } = await gatewayWithBucket()
  const large = await generate(url)
  const path = new URL(large.images[0]?.url ?? '').pathname
  const { hostname, port } = new URL(url)
  const dawdlers = Array.from({ length: DAWDLERS }, () => {
    const socket = connect(Number(port), hostname).on('error', () => {})
    onTestFinished(() => void socket.destroy())
    socket.pause().write(`GET ${path} HTTP/1.1\r\nhost: ${hostname}\r\nconnection: close\r\n\r\n`)
    return socket
  })
  await expect.poll(() => bucket.ever(), { timeout: 60_000 }).toBeGreaterThan(DAWDLERS)
  const another = await fetch(url + path, { headers: { range: 'bytes=0-99' }, signal: AbortSignal.timeout(30_000) })
  expect([another.status, (await another.arrayBuffer()).byteLength]).toEqual([206, 100])
  expect(await generate(url)).toMatchObject({ status: 'succeeded' })

  await expect.poll(() => bucket.open(), { timeout: 60_000 }).toBeLessThan(10)
  const [one = connect(0)] = dawdlers
  const taken = await buffer(one)
  const bytes = taken.subarray(taken.indexOf('\r\n\r\n') + 4)
  expect([bytes.length, createHash('sha256').update(bytes).digest('hex')]).toEqual([imageBytes, large.images[0]?.sha256])
}, 120_000)

async function generate(url: string): Promise<Generation> {
  const reply = await fetch(`${url}/v1/generations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'wait=50' },
    body: JSON.stringify({ model: 'gpt-image-2', prompt: 'noise', width: 1_024, height: 1_024 }),
  })
  return (await reply.json()) as Generation
}

async function gatewayWithBucket() {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-dawdlers-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const s3 = await startS3(folder, ['images'])
  onTestFinished(() => s3.stop())
  const vendor = await startInlineVendor(1)
  vendor.shape = 'OpenAI’s, in one piece'
  onTestFinished(() => vendor.close())
  const front = await countingFront(Number(new URL(s3.endpoint).port))
  const endpoint = encodeURIComponent(`http://127.0.0.1:${front.port}`)
  writeFileSync(
    join(folder, 'imagegate.yaml'),
    `assets: { url: "s3://images?endpoint=${endpoint}&path_style=true" }
providers: { openai: { api_key: a-vendor-key, base_url: "${vendor.url}" } }
`,
  )
  const environment = { IMAGEGATE_CONFIG: join(folder, 'imagegate.yaml'), IMAGEGATE_DATA: join(folder, 'data') }
  const server = await startOverridden(
    { ...environment, AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' },
    { providers: ['openai'] },
  )
  onTestFinished(async () => void (await server.kill('SIGKILL')))
  return { url: server.url, bucket: front, imageBytes: vendor.imageBytes }
}

/** Passes bytes on, and knows how many connections have brought something, and are open or were ever. */
async function countingFront(port: number) {
  const open = new Set<Socket>()
  let ever = 0
  const server = createServer((caller) => {
    const bucket = connect(port, '127.0.0.1')
    bucket.once('data', () => {
      open.add(caller)
      ever += 1
    })
    const end = (): void => {
      open.delete(caller)
      caller.destroy()
      bucket.destroy()
    }
    for (const socket of [caller, bucket]) socket.on('error', end).on('close', end)
    caller.pipe(bucket).pipe(caller)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { port: (server.address() as AddressInfo).port, open: () => open.size, ever: () => ever }
}
