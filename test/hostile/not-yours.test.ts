import { createHash, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Comparison, Generation } from '#contract'
import { startStored } from '../support/stored-gateway.ts'
import type { StoredGateway } from '../support/stored-gateway.ts'
import { STORAGES } from '../support/storages.ts'
import { useRealSockets } from '../transport/real-sockets.ts'
import { closeClient, send } from './client.ts'
import type { Received } from './client.ts'

useRealSockets()

const KEYS = { a: 'a-key-of-what-is-not-yours', b: 'b-key-of-what-is-not-yours' } as const
type Key = keyof typeof KEYS
const PIXELS = { model: 'flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256 }
/** Of each kind in one try: their median is of the work itself, without what else the machine does. */
const ROUNDS = 60

/** How a caller can name something: what it sends, for a name. */
type Naming = (name: string, key?: Key) => Promise<Received>
interface Way {
  readonly what: string
  readonly naming: Naming
  readonly theirs: string
  readonly absent: string
}

const configured = Object.entries(KEYS).map(
  ([name, key]) => `{ name: ${name}, key_hash: ${createHash('sha256').update(key).digest('hex')} }`,
)

describe.each(STORAGES)('another key’s record in %s', (storage) => {
  let gateway: StoredGateway
  let ways: readonly Way[]
  beforeAll(async () => {
    gateway = await startStored(storage, { providers: ['bfl', 'runware'], more: `keys: [${configured.join(', ')}]\n` })
    ways = await everyWay()
  }, 60_000)
  afterAll(async () => {
    closeClient()
    await gateway.close()
  })

  /** One after the other, so on one connection that stays open. */
  const ask = (key: Key, path: string, body?: object, more: readonly string[] = []): Promise<Received> =>
    send(gateway.server.url, {
      method: body ? 'POST' : 'GET',
      path,
      headers: ['authorization', `Bearer ${KEYS[key]}`, ...(body ? ['content-type', 'application/json'] : []), ...more],
      body: body ? Buffer.from(JSON.stringify(body)) : null,
    })
  const made = async <T>(path: string, body: object): Promise<T> => JSON.parse((await ask('a', path, body)).body.toString()) as T

  async function everyWay(): Promise<readonly Way[]> {
    // Rows of whoever asks, too, so that a list has more than nothing to show.
    const own = JSON.parse((await ask('b', '/v1/generations', PIXELS)).body.toString()) as Generation
    const mine = own.images[0]?.id ?? ''
    const metadata = { secret: 'of-a-alone' }
    const webhook = { url: 'https://hooks.example.com/x' }
    const [id, taskUUID] = [`words-of-${randomUUID()}`, randomUUID()]
    const generation = await made<Generation>('/v1/generations', { ...PIXELS, prompt: id, metadata, webhook })
    const comparison = await made<Comparison>('/v1/comparisons', PIXELS)
    const task = { taskType: 'imageInference', taskUUID, model: 'bfl:5@1', positivePrompt: 'a lighthouse', width: 256, height: 256 }
    await made('/runware/v1', [task])
    const delivery = await vi.waitFor(async () => {
      const { data } = JSON.parse((await ask('a', '/v1/webhooks/deliveries')).body.toString()) as { data: { id: string }[] }
      return data[0]?.id ?? expect.fail('none yet')
    }, 20_000)
    const image = generation.images[0]?.id ?? ''
    const uuid = (of: string): string => of.replace(/^img_(.{8})(.{4})7(.{3})(.{4})(.{12})$/, '$1-$2-4$3-$4-$5')
    const cursor = (of: string): string => Buffer.from(`${Date.parse(generation.created_at)}:${of}`).toString('base64url')
    const get = (what: string, theirs: string, path: (name: string) => string): Way => ({
      what,
      theirs,
      absent: absentFor(theirs),
      naming: (name, key = 'b') => ask(key, path(name)),
    })
    const post = (what: string, theirs: string, path: (name: string) => string, body: (name: string) => object = () => ({})): Way => ({
      what,
      theirs,
      absent: absentFor(theirs),
      naming: (name, key = 'b') => ask(key, path(name), body(name)),
    })
    const referred = (path: string): Way =>
      post(
        `a reference of POST ${path}`,
        image,
        () => path,
        (name) => ({ ...PIXELS, reference_images: [{ image: name }] }),
      )
    const call = (name: string, args: object) => ({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: args } })
    const agent = (what: string, theirs: string, body: (name: string) => object): Way => ({
      what,
      theirs,
      absent: absentFor(theirs),
      naming: (name, key = 'b') => ask(key, '/mcp', body(name), ['accept', 'application/json, text/event-stream']),
    })
    return [
      get('a generation', generation.id, (name) => `/v1/generations/${name}`),
      get('the events of a generation', generation.id, (name) => `/v1/generations/${name}/events`),
      get('the calls of an attempt', generation.id, (name) => `/v1/generations/${name}/attempts/1/calls`),
      post('a cancel', generation.id, (name) => `/v1/generations/${name}/cancel`),
      get('an image', image, (name) => `/v1/images/${name}`),
      get('a small image', image, (name) => `/v1/images/${name}.jpg?w=256`),
      get('an image by a link with a wrong signature', image, (name) => `/v1/images/${name}.jpg?expires=9999999999&signature=AAAA`),
      referred('/v1/quotes'),
      referred('/v1/generations'),
      referred('/v1/comparisons'),
      referred('/v1/images/generations'),
      post(
        'a mask',
        image,
        () => '/v1/quotes',
        (name) => ({ ...PIXELS, reference_images: [{ image: mine }], mask: { image: name } }),
      ),
      get('a comparison', comparison.id, (name) => `/v1/comparisons/${name}`),
      get('the events of a comparison', comparison.id, (name) => `/v1/comparisons/${name}/events`),
      get('a webhook delivery', delivery, (name) => `/v1/webhooks/deliveries/${name}`),
      post('a redelivery', delivery, (name) => `/v1/webhooks/deliveries/${name}/retry`),
      get('metadata of a list', metadata.secret, (name) => `/v1/generations?metadata.secret=${name}`),
      get('metadata of costs', metadata.secret, (name) => `/v1/costs?metadata.secret=${name}`),
      get('words of a prompt', id, (name) => `/v1/generations?q=${name}`),
      get('a cursor of a list', generation.id, (name) => `/v1/generations?cursor=${cursor(name)}`),
      get('a cursor of a search', generation.id, (name) => `/v1/generations?q=lighthouse&cursor=${cursor(name)}`),
      get('get_result of BFL’s API', generation.id, (name) => `/bfl/v1/get_result?id=${name}`),
      post(
        'getResponse of Runware’s API',
        taskUUID,
        () => '/runware/v1',
        (name) => [{ taskType: 'getResponse', taskUUID: name }],
      ),
      {
        what: 'a reference of Runware’s API',
        theirs: image,
        absent: absentFor(image),
        naming: (name, key = 'b') =>
          ask(key, '/runware/v1', [{ ...task, taskUUID: randomUUID(), inputs: { referenceImages: [uuid(name)] } }]),
      },
      agent('get_generation of MCP', generation.id, (name) => call('get_generation', { id: name, wait_seconds: 0 })),
      agent('a reference of MCP', image, (name) => call('quote', { ...PIXELS, reference_images: [name] })),
    ]
  }

  test('is answered byte for byte as one that is not there, however it is named', async () => {
    for (const { what, naming, theirs, absent } of ways) {
      expect([what, theirs.length]).toEqual([what, absent.length])
      const [one, other] = [await naming(theirs), await naming(absent)]
      expect([what, ...shownOf(one, theirs)]).toEqual([what, ...shownOf(other, absent)])
      expect([what, one.body.length]).toEqual([what, other.body.length])
      expect([what, one.status < 500]).toEqual([what, true])
    }
  })

  test('is there for its own key, so that each way names something', async () => {
    for (const { what, naming, theirs } of ways) {
      if (what === 'an image by a link with a wrong signature') continue
      expect([what, shownOf(await naming(theirs, 'a'), theirs)]).not.toEqual([what, shownOf(await naming(theirs), theirs)])
    }
  })

  test('is answered in the same time as one that is not there, however it is named', { timeout: 120_000 }, async () => {
    for (const { what, naming, theirs, absent } of ways) {
      const difference = await leastDifference(
        () => naming(theirs),
        () => naming(absent),
      )
      expect([what, difference, isAlike(difference)]).toEqual([what, difference, true])
    }
  })
})

/** A name that nothing has, as long as the other and like it. */
function absentFor(name: string): string {
  if (/^[0-9a-f-]{36}$/.test(name)) return randomUUID()
  return name.replace(/[0-9a-z]{6}$/, (end) => (end === 'ffffff' ? 'eeeeee' : 'ffffff'))
}

/** Status, headers and body, without the name that was asked for and what is of this answer alone. */
function shownOf({ status, headers, body }: Received, name: string): readonly unknown[] {
  const { date: _date, 'x-request-id': _id, ...others } = headers
  const uuid = name.replace(/^img_(.{8})(.{4})7(.{3})(.{4})(.{12})$/, '$1-$2-4$3-$4-$5')
  const text = body.toString().replaceAll(name, '<name>').replaceAll(uuid, '<name>')
  const own = /"(?:taskUUID|request_id|requestId|instance)":"[^"]*"/g
  return [status, others, text.replaceAll(own, '')]
}

interface Difference {
  readonly ms: number
  /** Of the smaller median. */
  readonly part: number
}
const isAlike = ({ ms, part }: Difference): boolean => ms < 0.3 || part < 0.3

/** The least of three differences between the medians of two kinds of requests that are sent by turns. */
async function leastDifference(one: () => Promise<unknown>, other: () => Promise<unknown>): Promise<Difference> {
  const tries: Difference[] = []
  while (tries.length < 3 && !tries.some(isAlike)) {
    const times: [number[], number[]] = [[], []]
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [index, request] of [one, other].entries()) {
        const from = performance.now()
        await request()
        times[index]?.push(performance.now() - from)
      }
    }
    const [a = 0, b = 0] = times.map((ms) => ms.toSorted((left, right) => left - right)[ROUNDS / 2])
    tries.push({ ms: Math.abs(a - b), part: Math.abs(a - b) / Math.min(a, b) })
  }
  return tries.toSorted((left, right) => left.ms - right.ms)[0] ?? { ms: Infinity, part: Infinity }
}
