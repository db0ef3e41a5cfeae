import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { compareUsd } from '#contract'
import type { Generation } from '#contract'
import type { Cluster } from '../support/cluster.ts'
import { countedIn, readPostgresBooks } from './books.ts'
import type { ServerProcess } from './process.ts'
import type { Vendors } from './vendors.ts'

const KEY = 'chaos-chaos-chaos-chaos'
const keyHash = createHash('sha256').update(KEY).digest('hex')

/** The lines of every gateway's configuration. Nothing but a fault may end a generation here. */
export const CHAOS_CONFIGURATION = [
  'breaker: { faults: 1000 }',
  `keys: [{ name: chaos, key_hash: ${keyHash}, budget_usd: "10000", period: total, allow_unpriced: true, scope: admin }]`,
].join('\n')

/** One of them names its task itself, so that a lost submit is found again; the other cannot be asked. */
export const CHAOS_PROVIDERS = ['runware', 'bfl'] as const

export interface Chaos {
  /** Marks that some gateway has answered with a generation. */
  accepted(): number
  /** Asks for one more image and comes back once a gateway has taken it: a careful client, which repeats its idempotency key until somebody answers. */
  buy(): Promise<void>
  /** The gateways that are up and not frozen, by their number. */
  readonly up: Set<number>
  /** Waits until nothing is open, ends the gateways and says what is wrong; nothing is wrong where every list is empty. */
  verdict(maxInFlight: number, timeoutMs: number): Promise<Verdict>
}

export interface Verdict {
  readonly summary: object
  readonly violations: Readonly<Record<string, readonly string[]>>
}

const pick = <Value>(from: readonly Value[]): Value => from[Math.floor(Math.random() * from.length)] as Value
const markIn = (text: string): string => /mark-\d+-end/.exec(text)?.[0] ?? ''

/** Clients of a cluster whose parts fail, and the books that are opened at the end. */
export function startChaos(cluster: Cluster, vendors: Vendors): Chaos {
  const ids = new Map<string, string | null>()
  const up = new Set([0, 1, 2])
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${KEY}` }
  /** Nobody waits longer for a gateway that stands still. */
  const ask = (node: ServerProcess, path: string, more: RequestInit = {}): Promise<Response | null> =>
    fetch(node.url + path, { headers, signal: AbortSignal.timeout(8_000), ...more }).catch(() => null)

  async function buy(): Promise<void> {
    const mark = `mark-${ids.size + 1}-end`
    ids.set(mark, null)
    const provider = CHAOS_PROVIDERS[ids.size % CHAOS_PROVIDERS.length]
    const body = JSON.stringify({
      model: `${provider}/flux-2-pro`,
      prompt: `a harbour ${mark}`,
      width: 256,
      height: 256,
      metadata: { mark },
    })
    for (;;) {
      const own = { ...headers, 'idempotency-key': mark, prefer: pick(['respond-async', 'wait=1', 'wait=3']) }
      const reply = up.size === 0 ? null : await ask(cluster.node(pick([...up])), '/v1/generations', { method: 'POST', headers: own, body })
      const generation = reply?.ok ? ((await reply.json().catch(() => null)) as Generation | null) : null
      if (generation) return void ids.set(mark, generation.id)
      await pause(50)
    }
  }

  async function countOpen(): Promise<number> {
    const counts = ['queued', 'running'].map(async (status) => {
      const reply = await ask(cluster.node(pick([...up])), `/v1/generations?status=${status}&limit=100`)
      return reply?.ok ? ((await reply.json()) as { readonly data: readonly unknown[] }).data.length : 1
    })
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0)
  }

  async function verdict(maxInFlight: number, timeoutMs: number): Promise<Verdict> {
    const until = performance.now() + timeoutMs
    while ((await countOpen()) > 0 && performance.now() < until) await pause(200)
    const reply = await ask(cluster.node(pick([...up])), '/v1/costs')
    const costs = (await reply?.json()) as { readonly budgets: readonly { readonly used: string }[] } | undefined
    const ends = await Promise.all(
      [...up].map(async (index) => {
        const node = cluster.node(index)
        const how = await node.kill('SIGTERM')
        return how === '0' ? [] : [`${how}: ${node.said().slice(-2_000)}`]
      }),
    )
    const { summary, violations } = await judge(cluster, vendors, ids, costs?.budgets[0]?.used ?? '', maxInFlight)
    return { summary, violations: { ...violations, ended_badly: ends.flat() } }
  }
  return { accepted: () => [...ids.values()].filter((id) => id !== null).length, buy, up, verdict }
}

async function judge(
  { databaseUrl }: Cluster,
  vendors: Vendors,
  ids: ReadonlyMap<string, string | null>,
  used: string,
  maxInFlight: number,
): Promise<Verdict> {
  const books = await readPostgresBooks(databaseUrl)
  const markOf = ({ request }: (typeof books.generations)[number]): string => request.metadata?.['mark'] ?? ''
  const byMark = Map.groupBy(books.generations, markOf)
  const submits = new Map<string, number>()
  for (const { visits } of vendors.fronts.values()) {
    for (const { purpose, body } of visits) {
      const mark = purpose === 'submit' ? markIn(body) : ''
      if (mark !== '') submits.set(mark, (submits.get(mark) ?? 0) + 1)
    }
  }
  const outcomes = Map.groupBy(books.generations, ({ status, error }) => error?.code ?? status)
  const unknown = outcomes.get('outcome_unknown') ?? []
  const most = Object.fromEntries(CHAOS_PROVIDERS.map((provider) => [provider, vendors.mostUnfinished(provider)]))
  // A task that nobody knows of holds no slot, and counts at the vendor until it ends.
  const unknownOf = (provider: string) => unknown.filter(({ routes }) => routes[0]?.provider === provider).length
  const counted = countedIn(books.generations)
  const violations = {
    lost: [...ids].filter(([mark, id]) => !byMark.get(mark)?.some((record) => record.id === id)).map(([mark]) => mark),
    accepted_twice: [...byMark].filter(([, records]) => records.length > 1).map(([mark]) => mark),
    never_ended: books.generations.filter(({ completedAt }) => completedAt === null).map(({ id }) => id),
    sent_twice: [...submits].filter(([, times]) => times > 1).map(([mark]) => mark),
    sent_for_nobody: [...submits.keys()].filter((mark) => !byMark.has(mark)),
    delivered_unsent: books.generations
      .filter((record) => record.status === 'succeeded' && !submits.has(markOf(record)))
      .map(({ id }) => id),
    not_settled_once: [...books.settlements].filter(([, times]) => times !== 1).map(([id]) => id),
    ended_otherwise: [...outcomes.keys()].filter((name) => name !== 'succeeded' && name !== 'outcome_unknown'),
    over_the_limit: CHAOS_PROVIDERS.filter((provider) => (most[provider] ?? 0) > maxInFlight + unknownOf(provider)),
    budget_differs_from_ledger: compareUsd(used, counted) === 0 ? [] : [used, counted],
  }
  const summary = {
    generations: books.generations.length,
    outcomes: Object.fromEntries([...outcomes].map(([name, records]) => [name, records.length])),
    sold: Object.fromEntries(CHAOS_PROVIDERS.map((provider) => [provider, vendors.submits(provider)])),
    most_unfinished_at_once: most,
    limit: maxInFlight,
  }
  return { summary, violations }
}
