import { useRealSockets } from '../transport/real-sockets.ts'
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import type { Generation } from '#contract'
import { startProcess } from '../crash/process.ts'
import { startVendors } from '../crash/vendors.ts'
import { listening } from '../support/for-one-test.ts'

useRealSockets()

const SLOTS = 2
const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex')

/** A link may take a minute, and what waits for it costs nothing. */
test('purchases of one key whose references come slowly hold no slot of their provider: another key buys meanwhile', async () => {
  let asked = 0
  const slow = await listening(
    createServer((_request, response) => {
      asked += 1
      response.writeHead(200, { 'content-type': 'image/png' })
      const drip = setInterval(() => response.write('\x89'), 1_000)
      response.once('close', () => clearInterval(drip))
    }),
  )
  const vendors = await startVendors({ providers: ['openai'], maxInFlight: SLOTS })
  onTestFinished(() => vendors.close())
  const keys = ['key-of-many', 'key-of-few'].map((key) => `{ name: ${key}, key_hash: ${hashOf(key)} }`)
  const folder = vendors.folder(`network: { allow: ["${new URL(slow).host}"] }\nkeys: [${keys.join(', ')}]\n`)
  onTestFinished(() => folder.remove())
  const server = await startProcess(folder.environment)
  onTestFinished(() => void server.kill('SIGKILL'))
  const buy = async (key: string, wait: string, order: object = {}): Promise<Generation> => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json', prefer: wait }
    const body = JSON.stringify({ model: 'openai/gpt-image-2', prompt: 'a lighthouse', ...order })
    return (await (await fetch(`${server.url}/v1/generations`, { method: 'POST', headers, body })).json()) as Generation
  }
  expect(await buy('key-of-few', 'wait=60')).toMatchObject({ status: 'succeeded' })
  const waiting = Array.from({ length: 2 * SLOTS }, (_, index) =>
    buy('key-of-many', 'respond-async', { reference_images: [`${slow}/${index}.png`] }),
  )
  expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual(waiting.map(() => 'queued'))
  // Each link is measured first, and fetched once it is accepted.
  await expect.poll(() => asked, { timeout: 30_000 }).toBeGreaterThanOrEqual(waiting.length + SLOTS)
  expect(await buy('key-of-few', 'wait=10')).toMatchObject({ status: 'succeeded' })
}, 90_000)
