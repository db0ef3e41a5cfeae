import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import zlib from 'node:zlib'
import { expect, it, onTestFinished } from 'vitest'
import type { Call } from '#contract'
import { createAgents } from '../../src/transport/agents.ts'
import { createCredentials } from '../../src/transport/credentials.ts'
import { parseAllow } from '../../src/transport/guard.ts'
import { createSend } from '../../src/transport/send.ts'
import { httpServer, providerAt } from './loopback.ts'
import { useRealSockets } from './real-sockets.ts'

useRealSockets()

const MB = 1_000_000
const poll: Call = { purpose: 'poll', method: 'GET', url: '/v1/x' }

function sendTo(baseUrl: string) {
  const provider = providerAt(baseUrl)
  const agents = createAgents({ providers: [provider], allow: parseAllow([]) })
  onTestFinished(() => agents.close())
  const send = createSend({ credentials: createCredentials([{ provider: provider.id, ...provider }]), agents })
  return (call: Call) => send(provider.id, call, 20_000)
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** The most bytes of buffers during some work, beyond those before it. */
async function mostDuring(work: () => Promise<unknown>): Promise<number> {
  collectGarbage()
  const before = process.memoryUsage().arrayBuffers
  let most = 0
  const timer = setInterval(() => (most = Math.max(most, process.memoryUsage().arrayBuffers - before)), 1)
  await work()
  clearInterval(timer)
  return most
}

it.each([
  ['gzip', zlib.gzipSync],
  ['br', (bytes: Buffer) => zlib.brotliCompressSync(bytes, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } })],
  ['zstd', zlib.zstdCompressSync],
] as const)(
  'a reply in %s that unfolds to much is never held as a whole, and a small one does not wait for it',
  async (encoding, compress) => {
    const large = compress(Buffer.from(`{"id":"1","x":"${'a'.repeat(30 * MB)}"}`))
    const small = compress(Buffer.from('{"id":"2"}'))
    const server = await httpServer((_request, response) => {
      const body = server.heard.length > 8 ? small : large
      response.setHeader('content-encoding', encoding).end(body)
    })
    const send = sendTo(server.url)
    const ended: unknown[] = []
    const most = await mostDuring(async () => {
      const asked = Array.from({ length: 8 }, () => send(poll))
      for (let tries = 0; server.heard.length < 8 && tries < 1_000; tries += 1) await new Promise((resolve) => setTimeout(resolve, 5))
      const all = [...asked, send(poll)].map(async (sent) => void ended.push(await sent))
      await Promise.all(all)
    })
    expect(ended).toHaveLength(9)
    expect(ended.slice(0, 3)).toContainEqual(expect.objectContaining({ reply: expect.objectContaining({ body: { id: '2' } }) }))
    expect(ended).toContainEqual(
      expect.objectContaining({ reply: expect.objectContaining({ body: expect.objectContaining({ id: '1' }) }) }),
    )
    expect(most / MB).toBeLessThan(120)
  },
  60_000,
)

it('events that were packed and are damaged behind the first say what had come', async () => {
  const packed = zlib.gzipSync(`data: {"id":"1"}\n\n${': '.padEnd(300_000, 'x')}\n\n`, { level: 0 })
  const server = await httpServer((_request, response) => {
    response.setHeader('content-type', 'text/event-stream').setHeader('content-encoding', 'gzip').end(packed.subarray(0, -9))
  })
  const sent = await sendTo(server.url)({ ...poll, stream: 'server-sent-events' })
  expect(sent).toMatchObject({ kind: 'lost', reason: expect.stringContaining('decompressed'), begun: { body: [{ data: { id: '1' } }] } })
})
