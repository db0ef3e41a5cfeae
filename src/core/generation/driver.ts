import type { AttemptRecord } from '../records.ts'
import { fail } from './conclude.ts'
import { advance } from './lifecycle.ts'
import { ended, holdsSlot, later, type Next, type Pause } from './next.ts'
import { releaseConnection, routeOf, trackOf, type AttemptTrack, type Core, type OpenGeneration } from './open-generation.ts'
import { defectIn, logFields } from './log-fields.ts'
import type { Scheduling } from './scheduling.ts'
import { takeBackIntent } from './submit.ts'

/**
 * Does all the waiting of the lifecycle: calls `advance`, waits for what it returns, holds each attempt's slot for exactly as long as its
 * status says, and ends an attempt whose step has a defect. One step of an attempt runs at a time.
 */
export interface Driver {
  /** Begins with an attempt, now or after a while. */
  begin(open: OpenGeneration, attempt: AttemptRecord, afterMs?: number): void
  /**
   * Ends an attempt's wait. Resolves after the step and those that follow it at once; where one is running already, at once, and another
   * step follows it.
   */
  advanceNow(open: OpenGeneration, attempt: AttemptRecord): Promise<void>
  /** Whether a step of the attempt is running. */
  isRunning(attempt: AttemptRecord): boolean
  /** Takes a slot now or not at all; the attempt's next step begins with it. */
  tryTakeSlot(open: OpenGeneration, attempt: AttemptRecord): boolean
  /** Forgets an attempt that was never on disk. */
  drop(open: OpenGeneration, attempt: AttemptRecord): void
  /** Another process works on the generation: forgets everything of it; a step that runs ends without a word. */
  abandon(open: OpenGeneration): void
  /** Begins no step and no wait any more. */
  stop(): void
  /** Resolves to true once no step is running, to false when `timeoutMs` is over. */
  idle(timeoutMs: number): Promise<boolean>
}

export const createDriver = (core: Core, scheduling: Scheduling): Driver => new AttemptDriver(core, scheduling)

class AttemptDriver implements Driver {
  readonly #core: Core
  readonly #scheduling: Scheduling
  readonly #isNeeded: () => boolean
  #isStopped = false
  #running = 0
  #onIdle: (() => void) | null = null

  constructor(core: Core, scheduling: Scheduling) {
    this.#core = core
    this.#scheduling = scheduling
    this.#isNeeded = () => core.open.size > 0
  }

  begin(open: OpenGeneration, attempt: AttemptRecord, afterMs = 0): void {
    if (open.isLost) return
    const { slots, watchForPauses } = this.#scheduling
    watchForPauses(this.#isNeeded)
    // A task that is bought already counts at its vendor, whatever the limit says today.
    if (holdsSlot(attempt)) slots.hold(routeOf(open.record, attempt).provider, attempt)
    if (afterMs > 0) this.#wait(open, attempt, trackOf(this.#core, open, attempt), later(afterMs))
    else void this.advanceNow(open, attempt)
  }

  async advanceNow(open: OpenGeneration, attempt: AttemptRecord): Promise<void> {
    if (open.isLost) return
    const track = trackOf(this.#core, open, attempt)
    if (track.isRunning) {
      track.isAskedAgain = true
      return
    }
    track.wait?.end()
    track.wait = null
    track.isRunning = true
    this.#running++
    const next = await this.#steps(open, attempt, track)
    track.isRunning = false
    this.#running--
    if (open.isLost) this.#letGo(open, attempt)
    else if (next !== null) this.#wait(open, attempt, track, next)
    if (this.#running === 0) this.#onIdle?.()
  }

  isRunning(attempt: AttemptRecord): boolean {
    return this.#core.tracks.get(attempt)?.isRunning ?? false
  }

  tryTakeSlot(open: OpenGeneration, attempt: AttemptRecord): boolean {
    return this.#scheduling.slots.tryTake(routeOf(open.record, attempt).provider, attempt)
  }

  drop(open: OpenGeneration, attempt: AttemptRecord): void {
    this.#scheduling.slots.release(routeOf(open.record, attempt).provider, attempt)
    this.#forget(attempt)
  }

  abandon(open: OpenGeneration): void {
    open.isLost = true
    const { id } = open.record
    if (this.#core.open.get(id) === open) this.#core.open.delete(id)
    for (const attempt of open.record.attempts) if (!this.isRunning(attempt)) this.#letGo(open, attempt)
  }

  #letGo(open: OpenGeneration, attempt: AttemptRecord): void {
    const { provider } = routeOf(open.record, attempt)
    this.#core.tracks.get(attempt)?.wait?.end()
    this.#scheduling.slots.leave(provider, open.record.key, attempt)
    this.#scheduling.slots.release(provider, attempt)
    this.#forget(attempt)
  }

  stop(): void {
    this.#isStopped = true
  }

  idle(timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const finish = (isIdle: boolean) => {
        this.#onIdle = null
        stopTimer()
        resolve(isIdle)
      }
      const stopTimer = this.#core.ports.clock.after(timeoutMs, () => finish(false))
      this.#onIdle = () => finish(true)
      if (this.#running === 0) finish(true)
    })
  }

  #forget(attempt: AttemptRecord): void {
    releaseConnection(this.#core, attempt)
    this.#core.tracks.delete(attempt)
  }

  /** Step after step, until one returns a wait or the end; null where the driver was stopped. */
  async #steps(open: OpenGeneration, attempt: AttemptRecord, track: AttemptTrack): Promise<Pause | null> {
    for (;;) {
      track.isAskedAgain = false
      if (open.isLost) return null
      if (this.#isStopped) return this.#takeBack(open, attempt)
      const next = await this.#step(open, attempt)
      if (next.kind === 'ended' || (next.kind !== 'now' && !track.isAskedAgain)) return next
    }
  }

  /** One step, after which the attempt holds a slot only where its status says so. */
  async #step(open: OpenGeneration, attempt: AttemptRecord): Promise<Next> {
    const { slots } = this.#scheduling
    const { provider } = routeOf(open.record, attempt)
    let next: Next
    try {
      next = await advance(this.#core, open, attempt, slots.isHeld(provider, attempt))
    } catch (error) {
      next = await this.#endDefect(open, attempt, error)
    }
    if (next.kind !== 'slot') slots.leave(provider, open.record.key, attempt)
    if (!holdsSlot(attempt)) slots.release(provider, attempt)
    return next
  }

  /** Instead of a step, once the driver is stopped: what was about to be bought waits for the next start. */
  async #takeBack(open: OpenGeneration, attempt: AttemptRecord): Promise<null> {
    await takeBackIntent(this.#core, open, attempt)
    if (!holdsSlot(attempt)) this.#scheduling.slots.release(routeOf(open.record, attempt).provider, attempt)
    return null
  }

  /** A defect in a step ends its attempt, not the server. */
  async #endDefect(open: OpenGeneration, attempt: AttemptRecord, error: unknown): Promise<Next> {
    if (open.isLost) return ended()
    this.#core.ports.log.error({ ...logFields(open.record, attempt), error: defectIn(error) }, 'a step failed unexpectedly')
    if (attempt.endedAt !== null) return ended()
    const billed = attempt.submittedAt === null ? false : 'unknown'
    return fail(this.#core, open, attempt, { code: 'internal', message: 'an internal error; see the server log', billed })
  }

  #wait(open: OpenGeneration, attempt: AttemptRecord, track: AttemptTrack, next: Pause): void {
    const { slots, schedule } = this.#scheduling
    if (next.kind === 'ended') {
      this.#forget(attempt)
      for (const { attempt: other, afterMs } of next.begin) this.begin(open, other, afterMs)
      return
    }
    const again = () => void this.advanceNow(open, attempt)
    switch (next.kind) {
      case 'later':
        track.wait = schedule(next.afterMs, again)
        return
      case 'slot':
        track.wait = schedule(next.patienceMs, again)
        slots.wait(routeOf(open.record, attempt).provider, open.record.key, attempt, again)
    }
  }
}
