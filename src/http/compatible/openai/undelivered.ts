import type { GenerationRequest, Json } from '#contract'
import { hashOfBody } from '../../../core/generation/idempotency.ts'
import type { Clock } from '../../../core/ports.ts'

const LIFE_MS = 15 * 60_000
const MOST = 1_000

/**
 * Generations whose answer never reached the caller: it hung up, its own time limit passed, or ours did. OpenAI's SDKs, and others, then send
 * the same request again by themselves and without an idempotency key. Such a request is handed the generation that is already paid for,
 * each one once. Kept in memory: across a restart only an Idempotency-Key protects.
 */
export interface Undelivered {
  add(scope: string, request: GenerationRequest, generationId: string): void
  /** The oldest one for exactly this request of this gateway key; it is taken out. */
  take(scope: string, request: GenerationRequest): string | null
}

export function createUndelivered(clock: Pick<Clock, 'monotonicMs'>): Undelivered {
  let waiting: readonly { readonly scope: string; readonly hash: string; readonly id: string; readonly sinceMs: number }[] = []
  return {
    add(scope, request, id) {
      if (waiting.some((entry) => entry.id === id)) return
      waiting = [...waiting.slice(1 - MOST), { scope, hash: hashOfBody(request as Json), id, sinceMs: clock.monotonicMs() }]
    },
    take(scope, request) {
      waiting = waiting.filter((entry) => entry.sinceMs > clock.monotonicMs() - LIFE_MS)
      if (waiting.length === 0) return null
      const hash = hashOfBody(request as Json)
      const found = waiting.find((entry) => entry.scope === scope && entry.hash === hash)
      waiting = waiting.filter((entry) => entry !== found)
      return found?.id ?? null
    },
  }
}
