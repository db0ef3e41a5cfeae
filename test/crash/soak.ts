import { parseArgs } from 'node:util'
import type { Generation } from '#contract'
import type { GenerationRecord } from '../../src/core/records.ts'
import { readBooks } from './books.ts'
import { startProcess } from './process.ts'
import type { ServerProcess } from './process.ts'
import { startVendors } from './vendors.ts'

/**
 * The long crash test: `node test/crash/soak.ts --minutes 10`. Clients buy without a pause while the gateway is killed -9 (one time in four
 * told to stop) every few seconds and started again. At the end nothing may be lost, bought twice or settled twice.
 */
const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' }, clients: { type: 'string', default: '12' } } })
const endsAt = Date.now() + Number(values.minutes) * 60_000

const PROVIDERS = ['bfl', 'runware', 'vtrix'] as const
/** Most buy in peace; what goes wrong elsewhere goes wrong here too, in the middle of crashes. */
const STORIES = [
  '',
  '',
  '',
  '',
  '',
  '',
  'sandbox:lost-reply',
  'sandbox:half',
  'sandbox:garbage',
  'sandbox:rate-limited',
  'sandbox:unavailable',
]
const STORIES_LATER = ['sandbox:unknown-status', 'sandbox:moderated', 'sandbox:half-image', 'sandbox:expired-link']

const vendors = await startVendors({ providers: PROVIDERS, typicalMs: 400 })
const folder = vendors.folder('breaker: { faults: 1000 }\n')
const orders = new Map<string, string | null>()
let server: ServerProcess | null = null
let crashes = 0
let stops = 0
let slowestStartMs = 0

const pick = <Value>(from: readonly Value[]): Value => from[Math.floor(Math.random() * from.length)] as Value
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** Buys one image as a careful client does: the same key until somebody answers. */
async function buy(mark: string): Promise<void> {
  const story = pick([...STORIES, ...STORIES_LATER])
  const order = PROVIDERS.toSorted(() => Math.random() - 0.5)
  const body = JSON.stringify({
    model: 'flux-2-pro',
    prompt: `a harbour ${mark}; ${story}`,
    width: 256,
    height: 256,
    provider: { order },
    metadata: { mark },
  })
  orders.set(mark, null)
  for (;;) {
    const current = server
    const reply =
      current &&
      (await fetch(`${current.url}/v1/generations`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': mark, prefer: pick(['respond-async', 'wait=1', 'wait=5']) },
        body,
      }).catch(() => null))
    const generation = reply?.ok ? ((await reply.json().catch(() => null)) as Generation | null) : null
    if (generation) {
      orders.set(mark, generation.id)
      return
    }
    await pause(50)
  }
}

let serial = 0
const clients = Array.from({ length: Number(values.clients) }, async () => {
  while (Date.now() < endsAt) {
    await buy(`mark-${++serial}-end`)
    await pause(Math.random() * 100)
  }
})

while (Date.now() < endsAt) {
  server = await startProcess(folder.environment)
  slowestStartMs = Math.max(slowestStartMs, server.startMs)
  await pause(Math.random() * 3_000)
  const isCrash = Math.random() < 0.75
  const how = await server.kill(isCrash ? 'SIGKILL' : 'SIGTERM')
  if (isCrash) crashes++
  else if (how === '0') stops++
  else throw new Error(`the server was told to stop and ended with ${how}`)
}

server = await startProcess(folder.environment)
await Promise.all(clients)
const { url } = server
for (let looks = 0; looks < 600 && (await countOpen()) > 0; looks++) await pause(200)
await server.kill('SIGTERM')

async function countOpen(): Promise<number> {
  const counts = ['queued', 'running'].map(async (status) => {
    const reply = await fetch(`${url}/v1/generations?status=${status}&limit=1`)
    return ((await reply.json()) as { readonly data: readonly unknown[] }).data.length
  })
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0)
}

const books = await readBooks(folder.dataDirectory)
const markOf = (record: GenerationRecord) => record.request.metadata?.['mark'] ?? ''
const byMark = Map.groupBy(books.generations, markOf)
const submitsOf = new Map<string, number>()
for (const { visits } of vendors.fronts.values()) {
  for (const { purpose, body } of visits) {
    const mark = purpose === 'submit' ? (/mark-\d+-end/.exec(body)?.[0] ?? '') : ''
    if (mark !== '') submitsOf.set(mark, (submitsOf.get(mark) ?? 0) + 1)
  }
}
const maySell = (record: GenerationRecord) => record.attempts.filter(({ error }) => error === null || error.billed !== false).length
const outcomes = Object.groupBy(books.generations, ({ status, error }) => error?.code ?? status)
const violations = {
  lost: [...orders].filter(([mark, id]) => !byMark.get(mark)?.some((record) => record.id === id)).map(([mark]) => mark),
  twice_accepted: [...byMark].filter(([, records]) => records.length > 1).map(([mark]) => mark),
  never_ended: books.open,
  sent_more_often_than_recorded: books.generations
    .filter((record) => (submitsOf.get(markOf(record)) ?? 0) > record.attempts.length)
    .map(({ id }) => id),
  bought_twice: books.generations.filter((record) => maySell(record) > 1).map(({ id }) => id),
  not_settled_once: [...books.settlements].filter(([, times]) => times !== 1).map(([id]) => id),
}
const lives = books.generations
  .map((record) => ({ id: record.id, ms: (record.completedAt ?? Infinity) - record.createdAt, prompt: record.request.prompt, record }))
  .toSorted((left, right) => right.ms - left.ms)
const summary = {
  generations: books.generations.length,
  killed: crashes,
  stopped: stops,
  slowest_start_ms: slowestStartMs,
  outcomes: Object.fromEntries(Object.entries(outcomes).map(([name, records]) => [name, records?.length])),
  sold: Object.fromEntries(PROVIDERS.map((provider) => [provider, vendors.submits(provider)])),
  longest: lives.slice(0, 3).map(({ id, ms, prompt, record }) => ({
    id,
    ms,
    prompt,
    ended: record.error?.code ?? record.status,
    attempts: record.attempts.map(({ route, error, startedAt, endedAt }) => ({
      provider: record.routes[route]?.provider,
      code: error?.code ?? null,
      ms: (endedAt ?? Infinity) - startedAt,
    })),
  })),
  violations,
}
process.stdout.write(`${JSON.stringify(summary, null, 2)}\n`)
await vendors.close()
const isClean = Object.values(violations).every((found) => (typeof found === 'number' ? found === 0 : found.length === 0))
if (isClean) folder.remove()
else process.stdout.write(`the data is kept in ${folder.dataDirectory}\n`)
process.exitCode = isClean ? 0 : 1
