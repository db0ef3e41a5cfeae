import { useRealSockets } from '../transport/real-sockets.ts'
import { createServer } from 'node:http'
import sharp from 'sharp'
import { expect, onTestFinished, test } from 'vitest'
import type { Generation } from '#contract'
import { startOverridden } from '../crash/process.ts'
import { startVendors } from '../crash/vendors.ts'
import { listening } from '../support/for-one-test.ts'

useRealSockets()

/** Of a key so many links are fetched at once. */
const AT_ONCE = 16
const PURCHASES = 3 * AT_ONCE
const SILENCE_MS = 15_000
const DEADLINE_MS = 8_000
const IMAGE = await sharp({ create: { width: 256, height: 256, channels: 3, background: '#468' } })
  .png()
  .toBuffer()

/** Each link is measured first; then no more of it comes, and it is given up after 15 seconds. */
test('purchases that wait behind silent references of their key end where they are canceled, and at their deadline', async () => {
  const links = await listening(
    createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'image/png', 'content-length': IMAGE.length })
      response.write(IMAGE.subarray(0, IMAGE.length - 64))
    }),
  )
  const vendors = await startVendors({ providers: ['openai'], maxInFlight: 2 })
  onTestFinished(() => vendors.close())
  const folder = vendors.folder(`network: { allow: ["${new URL(links).host}"] }\n`)
  onTestFinished(() => folder.remove())
  const server = await startOverridden(folder.environment, { providers: ['openai'], deadlineMs: DEADLINE_MS })
  onTestFinished(() => void server.kill('SIGKILL'))
  const ask = async (path: string, method = 'GET', order?: object): Promise<Generation> => {
    const headers = { prefer: 'respond-async', ...(order === undefined ? {} : { 'content-type': 'application/json' }) }
    const body = order === undefined ? {} : { body: JSON.stringify(order) }
    return (await (await fetch(`${server.url}/v1/generations${path}`, { method, headers, ...body })).json()) as Generation
  }
  const buy = (_: unknown, index: number): Promise<Generation> =>
    ask('', 'POST', { model: 'openai/gpt-image-2', prompt: 'a lighthouse', reference_images: [`${links}/${index}.png`] })
  const first = await Promise.all(Array.from({ length: PURCHASES - 1 }, buy))
  // Behind all others.
  const bought = [...first, await buy(undefined, PURCHASES - 1)]
  expect(await ask(`/${bought.at(-1)?.id}/cancel`, 'POST')).toMatchObject({ status: 'canceled' })
  const left = async (): Promise<number> => {
    const now = await Promise.all(bought.map(({ id }) => ask(`/${id}`)))
    return now.filter(({ attempts }) => attempts?.some(({ ended_at: endedAt }) => endedAt === null)).length
  }
  await expect.poll(left, { timeout: SILENCE_MS + 10_000, interval: 500 }).toBe(0)
  const ends = await Promise.all(bought.map(({ id }) => ask(`/${id}`)))
  const codes = Map.groupBy(ends, ({ error }) => error?.code)
  expect(codes.get('canceled')).toHaveLength(1)
  // Where the machine is busy, a link can be given up early, and the next one is fetched.
  const { length: fetched } = codes.get('invalid_request') ?? []
  expect(fetched).toBeGreaterThanOrEqual(AT_ONCE)
  expect(fetched).toBeLessThan(2 * AT_ONCE)
  expect(codes.get('rate_limited')).toHaveLength(PURCHASES - fetched - 1)
  expect(vendors.submits('openai')).toBe(0)
}, 90_000)
