import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { ClientError, createClient, type GenerationEvent } from '../../src/client/client.ts'
import { launchGateway, type Gateway } from '../e2e/gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await launchGateway({ typicalMs: 100 })
})
afterAll(() => gateway.close())

async function all(events: AsyncIterable<GenerationEvent>): Promise<GenerationEvent[]> {
  const list: GenerationEvent[] = []
  for await (const event of events) list.push(event)
  return list
}

test('a generation is followed to its end: create, stream, get the image', async () => {
  const client = createClient({ url: gateway.url })
  const { id } = await client.create({ model: 'flux-2-pro', prompt: 'a lighthouse' })
  const events = await all(client.stream(id))
  expect(events.filter((event) => event.kind === 'change').map((event) => event.type)).toEqual(
    expect.arrayContaining(['queued', 'running']),
  )
  const end = events.at(-1)
  if (end?.kind !== 'end') throw new Error('no end')
  expect(end.generation).toMatchObject({ id, status: 'succeeded' })
  const [image] = end.generation.images
  expect((await client.image({ url: image?.url ?? '' })).length).toBe(image?.bytes)
})

test('a comparison is followed to its end: what happens to each generation, each row, and the whole', async () => {
  const client = createClient({ url: gateway.url })
  const { id } = await client.compare({ model: 'flux-2-pro', prompt: 'a lighthouse' }, { providers: ['bfl', 'runware'] })
  const seen: string[] = []
  for await (const event of client.streamComparison(id)) {
    if (event.kind === 'change')
      seen.push(`${event.provider} ${event.type}${event.generation ? ` ${event.generation.comparison === id}` : ''}`)
    else if (event.kind === 'row') seen.push(`${event.row.provider} row`)
    else seen.push(`all ${event.comparison.status}`)
  }
  for (const provider of ['bfl', 'runware']) {
    const own = seen.filter((line) => line.startsWith(provider) && !line.endsWith('progress'))
    expect(own).toEqual([`${provider} queued`, `${provider} running`, `${provider} succeeded true`, `${provider} row`])
  }
  expect(seen.at(-1)).toBe('all succeeded')
})

test('a generation that is not there is refused with the gateway’s own words', async () => {
  await expect(all(createClient({ url: gateway.url }).stream('gen_none'))).rejects.toThrow(ClientError)
})

/** A gateway whose stream breaks after each event. */
async function breaking(events: readonly string[]) {
  const asked: (string | undefined)[] = []
  const server = createServer((request, response) => {
    const last = request.headers['last-event-id'] as string | undefined
    asked.push(last)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const next = events[Number(last ?? 0)]
    if (next !== undefined) response.write(next)
    setImmediate(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { asked, client: createClient({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }) }
}

const change = (id: number, type: string) =>
  `id: ${id}\nevent: ${type}\ndata: {"type":"${type}","at":"2026-11-21T00:00:00.000Z","provider":null,"progress":null}\n\n`

test('a stream that breaks is taken up after the last event, and no event comes twice', async () => {
  const { asked, client } = await breaking([
    change(1, 'queued'),
    change(2, 'running'),
    'id: 3\nevent: succeeded\ndata: {"object":"generation","status":"succeeded"}\n\n',
  ])
  const events = await all(client.stream('gen_1'))
  expect(events.map((event) => (event.kind === 'end' ? 'end' : event.type))).toEqual(['queued', 'running', 'end'])
  expect(asked).toEqual([undefined, '1', '2'])
})

test('a stream that never goes on is given up', async () => {
  const { client } = await breaking([])
  await expect(all(client.stream('gen_1'))).rejects.toThrow()
})

test('a stream goes on in a later one behind the last event of the position that both are given, and a signal ends it without an error', async () => {
  const asked: (string | undefined)[] = []
  const server = createServer((request, response) => {
    asked.push(request.headers['last-event-id'] as string | undefined)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('id: 7\nevent: running\ndata: {"type":"running","at":"2026-11-28T10:00:00Z","provider":null,"progress":null}\n\n')
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const client = createClient({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
  const position = { lastId: null }
  for (let round = 0; round < 2; round++) {
    const ending = new AbortController()
    for await (const event of client.stream('gen_1', { signal: ending.signal, position })) {
      expect(event.kind).toBe('change')
      ending.abort()
    }
  }
  expect([asked, position]).toEqual([[undefined, '7'], { lastId: '7' }])
})
