import { pollLater } from './attempt.ts'
import type { RunContext } from './context.ts'
import { callbacksOf } from '../scheduling/callbacks.ts'

/**
 * A vendor says that an attempt has news: looks now instead of later, once for each image at most. Nothing it says is believed; what an
 * authenticated look finds is. One for an attempt that has ended, or that nobody knows, does nothing.
 */
export function hint(context: RunContext, provider: string, generationId: string, attemptId: string): void {
  context.trust.arrived(provider)
  const open = context.open.get(generationId)
  const attempt = open?.record.attempts.find(({ id }) => id === attemptId)
  if (!open || !attempt || attempt.endedAt !== null) return
  if (attempt.status !== 'submitting' && attempt.status !== 'pending') return
  const state = callbacksOf(open, attempt)
  const takeBack = open.pendingWork.get(attemptId)
  if (!takeBack || attempt.status === 'submitting') {
    state.isUnheard = true
    return
  }
  if (takeBack === state.planned || state.early >= attempt.images) return
  takeBack()
  state.early++
  pollLater(context, open, attempt, 0)
  state.planned = open.pendingWork.get(attemptId) ?? null
}
