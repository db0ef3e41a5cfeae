import type { GenerationRequest, Json } from '#contract'
import { hashOfBody } from '../../../core/generation/idempotency.ts'
import type { Clock } from '../../../core/ports.ts'

const LIFE_MS = 15 * 60_000
/** Of one gateway key: what others leave behind lets nothing of it be forgotten, and so bought again. */
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

interface Waiting {
  readonly hash: string
  readonly id: string
  readonly sinceMs: number
}

export function createUndelivered(clock: Pick<Clock, 'monotonicMs'>): Undelivered {
  const waitingOf = new Map<string, readonly Waiting[]>()

  /** What still waits, of all keys. */
  function forgetOld(): void {
    const oldest = clock.monotonicMs() - LIFE_MS
    for (const [scope, waiting] of waitingOf)
      keep(scope, (waiting[0]?.sinceMs ?? 0) > oldest ? waiting : waiting.filter(({ sinceMs }) => sinceMs > oldest))
  }

  function keep(scope: string, waiting: readonly Waiting[]): void {
    if (waiting.length > 0) waitingOf.set(scope, waiting)
    else waitingOf.delete(scope)
  }

  return {
    add(scope, request, id) {
      forgetOld()
      const waiting = waitingOf.get(scope) ?? []
      if (waiting.some((entry) => entry.id === id)) return
      keep(scope, [...waiting.slice(1 - MOST), { hash: hashOfBody(request as Json), id, sinceMs: clock.monotonicMs() }])
    },
    take(scope, request) {
      forgetOld()
      const waiting = waitingOf.get(scope)
      if (waiting === undefined) return null
      const hash = hashOfBody(request as Json)
      const found = waiting.find((entry) => entry.hash === hash)
      keep(
        scope,
        waiting.filter((entry) => entry !== found),
      )
      return found?.id ?? null
    },
  }
}
