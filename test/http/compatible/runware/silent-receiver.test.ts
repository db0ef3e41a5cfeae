import { Readable } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { plainLinks } from '../../../../src/core/present/image-link.ts'
import { runwareFormat, webhookTarget } from '../../../../src/http/compatible/runware/webhook.ts'
import { createAgents } from '../../../../src/transport/agents.ts'
import { parseAllow } from '../../../../src/transport/guard.ts'
import { createPost } from '../../../../src/transport/post.ts'
import { attemptRecord, generationRecord, imageRecord } from '../../../store/records.ts'
import { lookupOf, tcpServer } from '../../../transport/loopback.ts'
import { useRealSockets } from '../../../transport/real-sockets.ts'

useRealSockets()

const MIB = 1_048_576

/** An image of the store, what is read of it, and how many of its streams are open. */
function storedImage(bytes: number) {
  const chunk = Buffer.alloc(65_536)
  const seen = { read: 0, opened: 0, open: 0 }
  const open = async (_sha256: string, _format: string, range?: { readonly start: number; readonly end: number }): Promise<Readable> => {
    let left = range === undefined ? bytes : range.end + 1 - range.start
    const stream = new Readable({
      read() {
        const next = chunk.subarray(0, Math.min(left, chunk.length))
        left -= next.length
        seen.read += next.length
        this.push(next.length === 0 ? null : next)
      },
    })
    seen.opened += 1
    seen.open += 1
    stream.once('close', () => (seen.open -= 1))
    return Promise.resolve(stream)
  }
  const read = (): Promise<Buffer> => Promise.resolve(Buffer.alloc((seen.read += bytes)))
  return { seen, assets: { open, read } }
}

/** One try of an upload. */
async function tryUpload(url: string, bytes: number, timeoutMs: number) {
  const { seen, assets } = storedImage(bytes)
  const target = webhookTarget({ webhookUrl: null, uploadUrl: url })
  if (target === null) throw new Error('there is no receiver')
  const generation = generationRecord('gen_1', {
    status: 'succeeded',
    attempts: [attemptRecord('att_1', { imageIds: ['img_1'], endedAt: 2 })],
    images: [imageRecord('img_1', 'gen_1', { bytes })],
    webhook: target,
  })
  const format = runwareFormat({ links: plainLinks('http://x'), assets })
  const delivery = { id: 'whd_1', type: 'generation.succeeded', createdAt: 1 } as const
  const message = await format.render({ generation, target, delivery, now: 1 }, 0)
  if ('refused' in message) throw new Error(message.refused)
  const agents = createAgents({ providers: [], allow: parseAllow(['127.0.0.1/32']), lookup: lookupOf(['127.0.0.1']) })
  onTestFinished(() => agents.close())
  const post = createPost({ agents })
  const { url: to = url, ...rest } = message
  return { seen, posted: await post(to, { ...rest, timeoutMs }), again: () => post(to, { ...rest, timeoutMs }) }
}

test('a receiver that reads nothing of an image holds a chunk of it, for as long as the try', async () => {
  const server = await tcpServer(
    () => {},
    (socket) => socket.pause(),
  )
  const { seen, posted } = await tryUpload(server.url, 64 * MIB, 300)
  expect(posted).toEqual({ kind: 'failed', reason: 'not done in time' })
  // What the kernel takes for the connection is a few MiB.
  expect(seen.read).toBeLessThan(24 * MIB)
  await expect.poll(() => seen.open).toBe(0)
})

test('a receiver that answers before it has read has nothing open once the try is over', async () => {
  const server = await tcpServer(
    () => {},
    (socket) => {
      socket.pause()
      socket.write('HTTP/1.1 503 Service Unavailable\r\ncontent-length: 10\r\n\r\n')
    },
  )
  const { seen, posted } = await tryUpload(server.url, 64 * MIB, 300)
  expect(posted).toMatchObject({ kind: 'status', status: 503 })
  await expect.poll(() => seen.open, { timeout: 100 }).toBe(0)
})

test('each try sends all of an image anew, with its length', async () => {
  const heard: number[] = []
  let received = 0
  const server = await tcpServer((socket, chunk) => {
    const head = /content-length: (\d+)[^]*?\r\n\r\n/.exec(chunk)
    if (head) heard.push(Number(head[1]))
    received += chunk.length - (head === null ? 0 : head.index + head[0].length)
    if (received >= heard.length * 3 * MIB) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
  })
  const { seen, posted, again } = await tryUpload(server.url, 3 * MIB, 5_000)
  expect([posted, await again()]).toMatchObject([{ status: 200 }, { status: 200 }])
  expect(heard).toEqual([3 * MIB, 3 * MIB])
  expect(seen).toMatchObject({ read: 6 * MIB, opened: 3 })
  await expect.poll(() => seen.open).toBe(0)
})
