import type { Generation, GenerationStatus } from '#contract'
import { ClientError } from './connection.ts'
import { sleep } from './sleep.ts'

export interface WaitOptions<Seen = Generation> {
  /** Called with every state seen, the last one included. */
  readonly onUpdate?: (seen: Seen) => void
  /** Stops waiting, not the generation: the last state seen is the answer. Default: waits to the end. */
  readonly timeoutMs?: number
  /** How often a gateway that does not answer is asked again, with a growing pause. Default 5; asking is free. */
  readonly retries?: number
}

const FIRST_PAUSE_MS = 200

/** Polls until the generation has ended. `poll` itself waits a while for the end, so that no pause is needed between polls. */
export async function waitForEnd<Seen extends { readonly status: GenerationStatus }>(
  poll: () => Promise<Seen>,
  options: WaitOptions<Seen> = {},
): Promise<Seen> {
  const { onUpdate, timeoutMs = Number.POSITIVE_INFINITY, retries = 5 } = options
  const startedAt = performance.now()
  let failures = 0
  for (;;) {
    const seen = await poll().catch((error: unknown) => {
      if (!isTransient(error) || failures >= retries) throw error
      return null
    })
    if (seen === null) {
      await sleep(FIRST_PAUSE_MS * 2 ** failures)
      failures += 1
      continue
    }
    failures = 0
    onUpdate?.(seen)
    if (!['queued', 'running'].includes(seen.status) || performance.now() - startedAt >= timeoutMs) return seen
  }
}

const isTransient = (error: unknown): boolean =>
  error instanceof ClientError && (error.status === null || error.status === 429 || error.status >= 502)
