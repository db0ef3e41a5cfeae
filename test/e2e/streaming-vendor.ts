import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { json as readJson } from 'node:stream/consumers'
import sharp from 'sharp'

export interface StreamingVendor {
  readonly url: string
  /** Every body that it took money for. */
  readonly bought: readonly Readonly<Record<string, unknown>>[]
  /** Lets what `is held`, or `is refused late`, go on by one event. */
  step(): void
  close(): void
}

const USAGE = { input_tokens: 10, input_tokens_details: { text_tokens: 10, image_tokens: 0 }, output_tokens: 100, total_tokens: 110 }
const event = (type: string, data: object): string => `event: ${type}\ndata: ${JSON.stringify({ type, created_at: 1, ...data })}\n\n`
const moderated = {
  error: {
    message: 'rejected by the safety system',
    type: 'image_generation_user_error',
    code: 'moderation_blocked',
    moderation_details: { moderation_stage: 'output', categories: ['violence'] },
  },
}

/** Images as OpenAI's SDK types their stream (7.57.0), and each way in which such a stream can go wrong, by the words of the prompt. */
export async function startStreamingVendor(key = ''): Promise<StreamingVendor> {
  const bought: Record<string, unknown>[] = []
  let steps = 0
  const waiting: (() => void)[] = []
  const nextStep = () =>
    new Promise<void>((resolve) => {
      if (steps === 0) return void waiting.push(resolve)
      steps -= 1
      resolve()
    })
  const png = await sharp({ create: { width: 1024, height: 1024, channels: 3, background: '#468' } })
    .png()
    .toBuffer()
  const image = { b64_json: png.toString('base64'), background: 'opaque', output_format: 'png', quality: 'low', size: '1024x1024' }
  const completed = event('image_generation.completed', { ...image, usage: USAGE })
  const partial = (index: number) => event('image_generation.partial_image', { ...image, partial_image_index: index })
  const stories: Readonly<Record<string, (response: ServerResponse) => void | Promise<void>>> = {
    'breaks before it begins': (response) => void response.destroy(),
    'breaks after an event': (response) => void response.write(partial(0), () => response.destroy()),
    'breaks within the image': (response) => void response.write(completed.slice(0, 2_000), () => response.destroy()),
    'breaks after the image': (response) => void response.write(completed, () => setTimeout(() => response.destroy(), 20)),
    'ends in an error': (response) => void response.end(`${partial(0)}${event('error', moderated)}`),
    'ends without an image': (response) => void response.end(`: still here\n\n${partial(0)}`),
    'says our key back': (response) => void response.end(`event: ${key}\ndata: {"said":"${key}"}\n\n${partial(0)}`),
    'is huge': (response) => void response.end(`data: {"x":["${`${'x'.repeat(999)}","`.repeat(5_000)}"]}\n\n`),
    'comes in one piece': (response) =>
      void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ created: 1, data: [image], usage: USAGE })),
    async 'comes in drops'(response) {
      for (let at = 0; at < completed.length; at += 97) {
        response.write(completed.slice(at, at + 97))
        await nextTurn()
      }
      response.end()
    },
    async 'is refused late'(response) {
      for (const piece of [partial(0), event('error', moderated)]) {
        await nextStep()
        response.write(piece)
      }
      response.end()
    },
    async 'is held'(response) {
      for (const piece of [partial(0), partial(1), completed]) {
        await nextStep()
        response.write(piece)
      }
      response.end()
    },
  }
  const server = createServer((request, response) => {
    const answer = async () => {
      const order = (await readJson(request)) as Record<string, unknown>
      const story = Object.keys(stories).find((words) => String(order['prompt']).includes(words)) ?? 'comes in drops'
      bought.push(order)
      response.setHeader('x-request-id', `req_${bought.length}`)
      if (!story.endsWith('one piece')) response.setHeader('content-type', 'text/event-stream; charset=utf-8')
      await stories[story]?.(response)
    }
    answer().catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bought,
    step() {
      const resume = waiting.shift()
      if (resume) resume()
      else steps += 1
    },
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
