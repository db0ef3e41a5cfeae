import type { Clock } from '../core/ports.ts'
import type { Run } from '../core/generation/run.ts'

export interface ShutdownDependencies {
  readonly app: {
    close(): PromiseLike<unknown>
    readonly server: { closeAllConnections(): void }
  }
  readonly run: Pick<Run, 'stop' | 'idle' | 'openCount'>
  readonly clock: Clock
}

/** Generations about to end may end, and be answered. */
const FINISH_MS = 2_000
const CHECK_EVERY_MS = 50
/** Calls under way get their reply, so that it is on record. */
const DRAIN_MS = 10_000
const ANSWER_MS = 500

/**
 * Takes no more requests, lets short generations end, then stops: nothing new is bought or polled, those who wait are answered with their
 * generation as it is, and what vendors still answer is written down. Everything open continues at the next start.
 */
export async function shutDown({ app, run, clock }: ShutdownDependencies): Promise<void> {
  const httpClosed = Promise.resolve(app.close())
  for (let waitedMs = 0; run.openCount > 0 && waitedMs < FINISH_MS; waitedMs += CHECK_EVERY_MS) await pause(clock, CHECK_EVERY_MS)
  run.stop()
  await run.idle(DRAIN_MS)
  // Event streams have no end of their own.
  if (!(await within(clock, httpClosed, ANSWER_MS))) app.server.closeAllConnections()
  await within(clock, httpClosed, ANSWER_MS)
}

/** Whether it was done before `timeoutMs` was over; it is not waited for any longer. */
export async function within(clock: Clock, work: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  let stopTimer = () => {}
  const timedOut = new Promise<boolean>((resolve) => {
    stopTimer = clock.after(timeoutMs, () => resolve(false))
  })
  try {
    return await Promise.race([work.then(() => true), timedOut])
  } finally {
    stopTimer()
  }
}

const pause = (clock: Clock, ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve))
