import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { gatewayWith } from '../support/for-one-test.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const REQUESTS = 200
/** As many as a request may name. */
const LINKS = 16
/** Of the gateway itself, and its own callers. */
const OTHERS = REQUESTS + 150
/** Half of what they would be without a bound. */
const MOST_OPEN = OTHERS + (REQUESTS * LINKS) / 2

test(
  'thousands of links of one key that say nothing, in quotes and purchases, leave connections and files for others',
  { timeout: 120_000 },
  async () => {
    const silent = createServer((socket) => socket.on('error', () => {}))
    silent.listen(0, '0.0.0.0')
    await once(silent, 'listening')
    onTestFinished(() => void silent.close())
    const { port } = silent.address() as AddressInfo
    const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex')
    const keys = `{ name: many, key_hash: ${hashOf('many')}, budget_usd: "0.000001" }, { name: few, key_hash: ${hashOf('few')} }`
    const { url, pid } = await gatewayWith(`keys: [${keys}]\nnetwork: { allow: ["127.0.0.0/8"] }\n`)
    let named = 0
    const link = (): string => `http://127.1.${named >> 7}.${1 + (named++ & 127)}:${port}/image.png`
    const send = async (key: string, path: string, links: number): Promise<number> => {
      const reference_images = Array.from({ length: links }, link)
      const order = { model: 'flux-2-pro', prompt: 'a tree', width: 256, height: 256, ...(links > 0 ? { reference_images } : {}) }
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
      const reply = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(order) })
      await reply.arrayBuffer()
      return reply.status
    }
    let mostOpen = 0
    const counting = setInterval(() => (mostOpen = Math.max(mostOpen, readdirSync(`/proc/${pid}/fd`).length)), 50)
    onTestFinished(() => clearInterval(counting))
    for (const path of ['/v1/quotes', '/v1/generations']) {
      const answers = Array.from({ length: REQUESTS }, () => send('many', path, LINKS))
      await sleep(500)
      expect(await send('few', '/v1/generations', 0)).toBe(200)
      const statuses = new Set(await Promise.all(answers))
      // More references than any offer takes.
      expect({ path, statuses }).toEqual({ path, statuses: new Set([path === '/v1/quotes' ? 200 : 422]) })
    }
    expect(mostOpen).toBeLessThan(MOST_OPEN)
  },
)
