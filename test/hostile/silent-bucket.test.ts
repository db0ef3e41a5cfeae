import { useRealSockets } from '../transport/real-sockets.ts'
import http from 'node:http'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Generation } from '#contract'
import { startProcess } from '../crash/process.ts'
import { startVendors } from '../crash/vendors.ts'
import { listening } from '../support/for-one-test.ts'
import { startS3 } from '../support/s3.ts'

useRealSockets()

/** How a bucket answers whoever reads an object. */
type Reading = 'well' | 'silent in the middle' | 'slow down'

test.for(['silent in the middle', 'slow down'] as const)(
  'a reference image in a bucket that is %s for a while keeps its purchase waiting, and nothing for ever',
  { timeout: 120_000 },
  async (fault) => {
    const bucket = await oddBucket()
    const vendors = await startVendors({ providers: ['bfl'] })
    onTestFinished(() => vendors.close())
    const folder = vendors.folder(`assets: { url: "s3://images?endpoint=${encodeURIComponent(bucket.url)}&path_style=true" }\n`)
    onTestFinished(() => folder.remove())
    const server = await startProcess({ ...folder.environment, AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' })
    onTestFinished(() => void server.kill('SIGKILL'))
    const buy = async (order: object, wait: string): Promise<Generation> => {
      const headers = { 'content-type': 'application/json', prefer: wait }
      const body = JSON.stringify({ model: 'bfl/flux-2-pro', prompt: 'a lighthouse', ...order })
      return (await (await fetch(`${server.url}/v1/generations`, { method: 'POST', headers, body })).json()) as Generation
    }
    const [first, second] = [(await buy({}, 'wait=60')).images[0], (await buy({ seed: 2 }, 'wait=60')).images[0]]
    expect(vendors.submits('bfl')).toBe(2)

    bucket.read(fault)
    const { id } = await buy({ reference_images: [{ image: first?.id }] }, 'respond-async')
    const given = fetch(`${first?.url}?w=512`).then(({ status }) => status)
    await new Promise((resolve) => setTimeout(resolve, 3_000))
    bucket.read('well')
    expect((await fetch(`${second?.url}?w=512`)).status).toBe(200)
    expect(await given).toBeOneOf([200, 503])
    const ended = async () => ((await (await fetch(`${server.url}/v1/generations/${id}`)).json()) as Generation).status
    await expect.poll(ended, { timeout: 40_000 }).toMatch(/succeeded|failed/)
    expect(await ended()).toBe('succeeded')
    expect(vendors.submits('bfl')).toBe(3)
    expect(server.said()).not.toContain('failed unexpectedly')
  },
)

/** A real one behind a server that can be odd. */
async function oddBucket() {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-odd-bucket-'))
  const real = await startS3(folder, ['images'])
  onTestFinished(() => {
    real.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  let reading: Reading = 'well'
  const server = http.createServer((request, response) => {
    const { method, url, headers } = request
    // The byte by which a gateway sees that an image is there is sent all the same.
    const isOdd = method === 'GET' && reading !== 'well' && headers.range === undefined
    if (isOdd && reading === 'slow down') return void response.writeHead(503).end('<Error><Code>SlowDown</Code></Error>')
    const asked = http.request(
      `${real.endpoint}${url}`,
      { method, headers: { ...headers, host: new URL(real.endpoint).host } },
      (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers)
        if (isOdd) answer.once('data', (chunk: Buffer) => response.write(chunk.subarray(0, 100)))
        else answer.pipe(response)
      },
    )
    asked.on('error', () => response.destroy())
    request.pipe(asked)
  })
  return { url: await listening(server), read: (as: Reading) => void (reading = as) }
}
