import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { startProcess } from '../crash/process.ts'
import { startVendors } from '../crash/vendors.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

/** Open generations of a key, and so tasks of it that wait. */
const MOST = 50

interface Frame {
  readonly data?: readonly object[]
  readonly errors?: readonly { readonly code: string }[]
}

test(
  'one task, sent again and again while it waits, holds no more than a key may have open, on a WebSocket and by HTTP',
  { timeout: 60_000 },
  async () => {
    const vendors = await startVendors({ providers: ['runware'], typicalMs: 20 })
    const held = Promise.withResolvers<void>()
    vendors.front('runware').beforeReply = ({ purpose }) => (purpose === 'submit' ? held.promise : undefined)
    const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex')
    const keys = ['many', 'few'].map((name) => `{ name: ${name}, key_hash: ${hashOf(name)} }`).join(', ')
    const own = vendors.folder(`keys: [${keys}]\nlimits: { per_key: { generations: ${MOST} } }\n`)
    const gateway = await startProcess(own.environment)
    onTestFinished(async () => {
      held.resolve()
      await gateway.kill('SIGKILL')
      await vendors.close()
      own.remove()
    })
    const task = {
      taskType: 'imageInference',
      taskUUID: randomUUID(),
      model: 'flux-2-pro',
      positivePrompt: 'a tree',
      width: 512,
      height: 512,
    }
    const hundred = JSON.stringify(Array.from({ length: 100 }, () => task))
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/runware/v1`)
    onTestFinished(() => socket.close())
    const frames: Frame[] = []
    socket.addEventListener('message', ({ data }) => frames.push(JSON.parse(String(data)) as Frame))
    await once(socket, 'open')
    socket.send(JSON.stringify([{ taskType: 'authentication', apiKey: 'many' }]))
    socket.send(hundred)
    const codes = () => frames.flatMap(({ errors = [] }) => errors.map(({ code }) => code))
    await expect.poll(() => codes().length, { timeout: 10_000 }).toBe(100 - MOST)
    expect(new Set(codes())).toEqual(new Set(['providerRateLimitExceeded']))
    const post = async (key: string, body: string): Promise<number> => {
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
      const reply = await fetch(`${gateway.url}/runware/v1`, { method: 'POST', headers, body })
      await reply.arrayBuffer()
      return reply.status
    }
    expect(await post('many', hundred)).toBe(429)
    // Another key waits for nobody, and what waited is answered.
    expect(await post('few', JSON.stringify([{ taskType: 'ping' }]))).toBe(200)
    held.resolve()
    const images = () => frames.flatMap(({ data = [] }) => data.filter((item) => 'imageURL' in item)).length
    await expect.poll(images, { timeout: 10_000 }).toBe(MOST)
    expect(await post('many', JSON.stringify([task]))).toBe(200)
    expect(vendors.submits('runware')).toBe(1)
  },
)
