import { createHash } from 'node:crypto'
import { isObject } from '#contract'
import type { Json } from '#contract'
import type { Instant } from '../records.ts'
import { withoutNumber } from '../../reading/held-bytes.ts'
import { IdempotencyConflict } from '../ports.ts'
import type { Ages, IdempotencyEntry, Store } from '../ports.ts'

export const IDEMPOTENCY_LIFE_MS = 24 * 60 * 60 * 1000

/** The same key came with another body. */
export class IdempotencyMismatch extends Error {}

export interface Idempotency {
  /** Whether a key used then may stand for something else by now. */
  isOver(createdAt: Instant): boolean
  /**
   * Runs `create` once for a (scope, key), however many ask at the same time and across restarts, for 24 hours.
   * `create` must commit the entry together with what it makes. Throws `IdempotencyMismatch` for another body.
   */
  once(
    scope: string,
    key: string,
    bodyHash: string,
    create: (entry: Omit<IdempotencyEntry, 'generationId'>) => Promise<{ readonly id: string }>,
  ): Promise<{ readonly id: string; readonly replayed: boolean }>
}

export function createIdempotency(store: Store, ages: Ages): Idempotency {
  const isOver = (createdAt: Instant): boolean => ages.of(createdAt) >= IDEMPOTENCY_LIFE_MS

  const creating = new Map<string, { readonly bodyHash: string; readonly id: Promise<string> }>()

  async function stored(scope: string, key: string): Promise<IdempotencyEntry | null> {
    const entry = await store.idempotency(scope, key)
    if (entry === null || !isOver(entry.createdAt)) return entry
    // No other: by a clock that was behind, what was taken a moment ago may be older than this.
    await store.forgetIdempotency(entry)
    return null
  }

  return {
    isOver,
    async once(scope, key, bodyHash, create) {
      const name = JSON.stringify([scope, key])
      const same = (other: string) => {
        if (other !== bodyHash) throw new IdempotencyMismatch('this Idempotency-Key was used with another body')
      }
      const running = creating.get(name)
      if (running) {
        same(running.bodyHash)
        return { id: await running.id, replayed: true }
      }
      let replayed = false
      const make = async (): Promise<string> => {
        const before = await stored(scope, key)
        if (before) {
          replayed = true
          same(before.bodyHash)
          return before.generationId
        }
        try {
          return (await create({ scope, key, bodyHash, createdAt: ages.now() })).id
        } catch (error) {
          const winner = error instanceof IdempotencyConflict ? await store.idempotency(scope, key) : null
          if (!winner) throw error
          replayed = true
          same(winner.bodyHash)
          return winner.generationId
        }
      }
      const id = make()
      creating.set(name, { bodyHash, id })
      try {
        return { id: await id, replayed }
      } finally {
        creating.delete(name)
      }
    },
  }
}

/** The same for the same JSON, whatever the order of its keys. */
export function hashOfBody(body: Json): string {
  return createHash('sha256')
    .update(
      JSON.stringify(body, (_, value: unknown) => {
        if (typeof value === 'string') return withoutNumber(value)
        return isObject(value) ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))) : value
      }),
    )
    .digest('hex')
}
