import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { compareUsd } from '#contract'
import type { Generation } from '#contract'
import type { GenerationRecord } from '../../src/core/records.ts'
import { countedIn, readBooks } from './books.ts'
import { startOddProcess } from './process.ts'
import type { OddProcess } from './process.ts'
import { watchReplies } from './unknown-outcomes.ts'
import { startVendors } from './vendors.ts'

/**
 * The long crash test: `npm run soak -- --minutes 10`. Clients buy without a pause while the gateway is killed -9 or stopped every few
 * seconds and started again. In between its process is suspended, its wall clock is set by hours and years, its disk refuses writes, and
 * its configuration is changed under it. At the end nothing may be lost, bought twice, settled twice or stuck, no slot may be held, and the
 * budget must equal the ledger.
 */
const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' }, clients: { type: 'string', default: '12' } } })
const endsAt = Date.now() + Number(values.minutes) * 60_000

const PROVIDERS = ['bfl', 'runware', 'vtrix'] as const
/** Most buy in peace; what goes wrong elsewhere goes wrong here too, in the middle of crashes. */
const STORIES = [
  ...Array.from({ length: 14 }, () => ''),
  'sandbox:lost-reply',
  'sandbox:half',
  'sandbox:garbage',
  'sandbox:rate-limited',
  'sandbox:unavailable',
  'sandbox:unknown-status',
  'sandbox:moderated',
  'sandbox:poll-refused',
  'sandbox:late-link',
  'sandbox:flaky-link',
  'sandbox:gzip-link',
  'sandbox:half-image',
  'sandbox:expired-link',
]

const KEY = 'soak-soak-soak-soak'
const keyHash = createHash('sha256').update(KEY).digest('hex')
const BUDGET = `keys: [{ name: soak, key_hash: ${keyHash}, budget_usd: "1000", period: total, allow_unpriced: true }]\n`
const vendors = await startVendors({ providers: PROVIDERS, typicalMs: 400 })
const markIn = (text: string): string => /mark-\d+-end/.exec(text)?.[0] ?? ''
const replies = watchReplies(vendors, markIn)
const folder = vendors.folder(`breaker: { faults: 1000 }\n${BUDGET}`)
const configPath = folder.environment['IMAGEGATE_CONFIG'] ?? ''
const config = readFileSync(configPath, 'utf8')
const orders = new Map<string, string | null>()
let server: OddProcess | null = null
const faults = { killed: 0, stopped: 0, suspended: 0, clock_set: 0, disk_refused: 0, reloaded: 0 }
let slowestStartMs = 0

const pick = <Value>(from: readonly Value[]): Value => from[Math.floor(Math.random() * from.length)] as Value
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** Buys one image as a careful client does: the same key until somebody answers. */
async function buy(mark: string): Promise<void> {
  const story = pick(STORIES)
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
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${KEY}`,
          'idempotency-key': mark,
          prefer: pick(['respond-async', 'wait=1', 'wait=5']),
        },
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

const start = () => startOddProcess(folder.environment, dirname(folder.dataDirectory))

/** One fault that a process survives. */
async function trouble(process: OddProcess): Promise<void> {
  switch (pick(['suspend', 'clock', 'disk', 'reload', 'nothing'] as const)) {
    case 'suspend':
      faults.suspended++
      process.signal('SIGSTOP')
      await pause(500 + Math.random() * 3_000)
      return process.signal('SIGCONT')
    case 'clock':
      faults.clock_set++
      return process.change({ clockMs: pick([-3_600_000, 3_600_000, 6 * 365 * 24 * 3_600_000]) })
    case 'disk':
      faults.disk_refused++
      process.change({ refusesWrites: true })
      await pause(Math.random() * 1_500)
      return process.change({})
    case 'reload':
      faults.reloaded++
      // One provider is switched off and on again; its open tasks go on.
      writeFileSync(configPath, config.replace(/^ {2}vtrix: .*\n/m, ''))
      await pause(Math.random() * 1_500)
      return writeFileSync(configPath, config)
    case 'nothing':
  }
}

while (Date.now() < endsAt) {
  server = await start()
  slowestStartMs = Math.max(slowestStartMs, server.startMs)
  await pause(Math.random() * 1_500)
  await trouble(server)
  await pause(Math.random() * 2_000)
  const isCrash = Math.random() < 0.75
  replies.killed()
  const how = await server.kill(isCrash ? 'SIGKILL' : 'SIGTERM')
  if (isCrash) faults.killed++
  else if (how === '0') faults.stopped++
  else throw new Error(`the server was stopped and ended with ${how}:\n${server.said().slice(-4_000)}`)
}

server = await start()
await Promise.all(clients)
const { url } = server
const get = async <Body>(path: string): Promise<Body> =>
  (await (await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${KEY}` } })).json()) as Body
for (let polls = 0; polls < 900 && (await countOpen()) > 0; polls++) await pause(200)
const slotsHeld = (await get<{ data: { in_flight: number; waiting: number }[] }>('/v1/providers')).data.reduce(
  (sum, { in_flight, waiting }) => sum + in_flight + waiting,
  0,
)
const budgetUsed = (await get<{ budgets: { used: string }[] }>('/v1/costs')).budgets[0]?.used ?? ''
await server.kill('SIGTERM')

async function countOpen(): Promise<number> {
  const counts = ['queued', 'running'].map(async (status) => {
    return (await get<{ readonly data: readonly unknown[] }>(`/v1/generations?status=${status}&limit=1`)).data.length
  })
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0)
}

const books = await readBooks(folder.dataDirectory)
const markOf = (record: GenerationRecord) => record.request.metadata?.['mark'] ?? ''
const byMark = Map.groupBy(books.generations, markOf)
const submitsOf = new Map<string, number>()
for (const { visits } of vendors.fronts.values()) {
  for (const { purpose, body } of visits) {
    const mark = purpose === 'submit' ? markIn(body) : ''
    if (mark !== '') submitsOf.set(mark, (submitsOf.get(mark) ?? 0) + 1)
  }
}
const maySell = (record: GenerationRecord) => record.attempts.filter(({ error }) => error === null || error.billed !== false).length
const outcomes = Object.groupBy(books.generations, ({ status, error }) => error?.code ?? status)
const { unexplained, ...unknown_because } = replies.explain(outcomes['outcome_unknown'] ?? [], markOf, slowestStartMs)
const violations = {
  lost: [...orders].filter(([mark, id]) => !byMark.get(mark)?.some((record) => record.id === id)).map(([mark]) => mark),
  twice_accepted: [...byMark].filter(([, records]) => records.length > 1).map(([mark]) => mark),
  never_ended: books.open,
  sent_more_often_than_recorded: books.generations
    .filter((record) => (submitsOf.get(markOf(record)) ?? 0) > record.attempts.length)
    .map(({ id }) => id),
  bought_twice: books.generations.filter((record) => maySell(record) > 1).map(({ id }) => id),
  slots_held: slotsHeld,
  budget_differs_from_ledger: compareUsd(budgetUsed, countedIn(books.generations)) === 0 ? [] : [budgetUsed, countedIn(books.generations)],
  unknown_though_answered: unexplained,
  not_settled_once: [...books.settlements].filter(([, times]) => times !== 1).map(([id]) => id),
}
const lives = books.generations
  .map((record) => ({ id: record.id, ms: (record.completedAt ?? Infinity) - record.createdAt, prompt: record.request.prompt, record }))
  .toSorted((left, right) => right.ms - left.ms)
const summary = {
  generations: books.generations.length,
  ...faults,
  slowest_start_ms: slowestStartMs,
  outcomes: Object.fromEntries(Object.entries(outcomes).map(([name, records]) => [name, records?.length])),
  unknown_because,
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
