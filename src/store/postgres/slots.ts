import type { NodeMessage, SlotClaim } from '../../core/nodes.ts'
import { NoSlot } from '../../core/nodes.ts'
import type { GenerationRecord } from '../../core/records.ts'
import type { Connections } from './connections.ts'
import { lockNamed, SLOTS_OF } from './locks.ts'
import { sqlMessage } from './messages.ts'
import { prepare } from './statement.ts'
import type { Statement } from './statement.ts'
import { AHEAD, countElsewhere, createSlotTurns } from './turns.ts'

/** How often a provider that was full is counted again, should a word of a free slot be lost. */
const COUNT_AGAIN_MS = 1_000
/** A provider that refused nobody for so long is not counted any more. */
const FORGET_AFTER_MS = 30_000

/**
 * All of them or none, of one provider; a slot is left to each key that waits elsewhere and comes first. A unit whose fate was unknown is
 * handed in again: its own tasks are not counted twice.
 */
const take = prepare(`
  WITH ${AHEAD},
  taken AS (
    INSERT INTO slots (attempt_id, generation_id, provider, node)
    SELECT asked.id, $4, $1, $5 FROM unnest($3::text[]) AS asked (id)
    WHERE (SELECT count(*) FROM slots WHERE provider = $1 AND NOT attempt_id = ANY ($3::text[])) + cardinality($3::text[])
      + (SELECT count(*) FROM ahead) <= $2
    ON CONFLICT (attempt_id) DO UPDATE SET node = excluded.node RETURNING attempt_id
  ),
  turned AS (
    UPDATE slot_turns SET turn = nextval('slot_turn')
    WHERE provider = $1 AND key = $6 AND node = $5 AND EXISTS (SELECT 1 FROM taken)
  )
  SELECT attempt_id FROM taken`)
const freeEnded = prepare(`
  WITH freed AS (DELETE FROM slots WHERE generation_id = $1 AND NOT attempt_id = ANY ($2::text[]) RETURNING provider)
  SELECT ${sqlMessage('freed', 'provider', 'provider')} FROM (SELECT DISTINCT provider FROM freed) AS f`)
const countAllElsewhere = prepare('SELECT provider, count(*) AS n FROM slots WHERE node <> $1 GROUP BY provider')

/** By provider, always in one order: two units that take at the same ones wait for each other and never for ever. */
const byProvider = (claims: readonly SlotClaim[]) =>
  [...Map.groupBy(claims, ({ provider }) => provider)].toSorted(([a], [b]) => (a < b ? -1 : 1))

/** What must be asked before anything else of a unit, so that only one transaction at a time counts a provider's tasks. */
export const slotLocks = (claims: readonly SlotClaim[]): readonly Statement[] =>
  byProvider(claims).map(([provider]) => lockNamed(SLOTS_OF, provider))

/** Counts the tasks a unit is about to buy. Refuses the unit where they are not within the limit. */
export const takeSlots = (claims: readonly SlotClaim[], generationId: string, node: string): readonly Statement[] =>
  byProvider(claims).map(([provider, ofIt]) => {
    const limit = Math.min(...ofIt.map((claim) => claim.limit))
    const attempts = ofIt.map(({ attemptId }) => attemptId)
    return {
      ...take(provider, limit, attempts, generationId, node, ofIt[0]?.key ?? ''),
      check({ count }) {
        if (count < attempts.length)
          throw new NoSlot(`${provider} has ${limit} unfinished tasks, as many as it may have, or others come first`)
      },
    }
  })

/** Lets go of the slots of attempts whose task is unfinished no more; null where it has none yet. */
export function freeSlots({ id, attempts }: GenerationRecord): Statement | null {
  if (attempts.every(({ submittedAt }) => submittedAt === null)) return null
  const holding = attempts.filter(({ status }) => status === 'submitting' || status === 'pending')
  return holding.length === attempts.length
    ? null
    : freeEnded(
        id,
        holding.map((attempt) => attempt.id),
      )
}

/** What this process knows of the slots of the others: of providers that were full when it asked. */
export interface SlotCounts {
  elsewhere(provider: string): number
  /** These gateway keys wait for a slot here. */
  waitFor(provider: string, keys: readonly (string | null)[]): void
  /** Counted anew, at all providers. */
  allElsewhere(): Promise<ReadonlyMap<string, number>>
  /** A unit was refused. */
  wasFull(claims: readonly SlotClaim[]): Promise<void>
  /** Somebody let go of a slot. */
  wasFreed(provider: string): void
  stop(): void
}

interface FullProvider {
  /** The tasks of other processes, and what is due to keys that wait there, when they were counted last. */
  count: number
  /** When it last refused this process. */
  fullAt: number
  counting: Promise<void>
  next: Promise<void> | null
}

export function createSlotCounts({ read }: Connections, node: string, say: (message: NodeMessage) => void): SlotCounts {
  const full = new Map<string, FullProvider>()

  async function count(provider: string): Promise<void> {
    const [row] = await read(countElsewhere(provider, node))
    const known = full.get(provider)
    if (known) known.count = Number(row?.['n'])
  }
  /** Those that ask while it is counted share the count after it. */
  async function countAgain(provider: string): Promise<void> {
    const known = full.get(provider)
    if (!known) return
    known.next ??= known.counting.then(() => {
      known.next = null
      known.counting = count(provider).catch(() => {})
      return known.counting
    })
    await known.next
  }
  const renew = (provider: string): void => void countAgain(provider).then(() => say({ kind: 'freed', provider }))
  const timer = setInterval(() => {
    for (const [provider, { fullAt }] of full) {
      if (performance.now() - fullAt < FORGET_AFTER_MS) renew(provider)
      else {
        full.delete(provider)
        say({ kind: 'freed', provider })
      }
    }
  }, COUNT_AGAIN_MS)
  timer.unref()
  const turns = createSlotTurns({ read }, node, (provider) => {
    if (full.has(provider)) renew(provider)
  })
  return {
    waitFor: (provider, keys) =>
      turns.waitFor(
        provider,
        keys.map((key) => key ?? ''),
      ),
    elsewhere: (provider) => full.get(provider)?.count ?? 0,
    allElsewhere: async () => new Map((await read(countAllElsewhere(node))).map((row) => [String(row['provider']), Number(row['n'])])),
    async wasFull(claims) {
      for (const [provider] of byProvider(claims)) {
        const known = full.get(provider) ?? { count: 0, fullAt: 0, counting: Promise.resolve(), next: null }
        known.fullAt = performance.now()
        full.set(provider, known)
        await countAgain(provider)
      }
    },
    wasFreed(provider) {
      if (full.has(provider)) renew(provider)
    },
    stop() {
      clearInterval(timer)
      turns.stop()
    },
  }
}
