import { createProviderSlots } from '../scheduling/provider-slots.ts'
import type { ProviderSlots } from '../scheduling/provider-slots.ts'
import { createTimerWheel } from '../scheduling/timer-wheel.ts'
import type { Ports } from '../ports.ts'
import type { AttemptRecord } from '../records.ts'
import { fail } from './conclude.ts'
import { advance } from './lifecycle.ts'
import { holdsSlot, nothing, type Next } from './next.ts'
import { routeOf, type Core, type OpenGeneration } from './open-generation.ts'

/**
 * Does all the waiting of the lifecycle: calls `advance`, waits for what it returns, holds each attempt's slot for exactly as long as its
 * status says, and ends an attempt whose step has a defect. One step of an attempt runs at a time.
 */
export interface Driver {
  /** Begins with an attempt, now or after a while. */
  begin(open: OpenGeneration, attempt: AttemptRecord, afterMs?: number): void
  /** Ends an attempt's wait. Resolves after the step; where one is running already, at once, and another step follows it. */
  advanceNow(open: OpenGeneration, attempt: AttemptRecord): Promise<void>
  /** Whether a step of the attempt is running. */
  isRunning(attempt: AttemptRecord): boolean
  /** Takes a slot now or not at all; the attempt's next step begins with it. */
  tryTakeSlot(open: OpenGeneration, attempt: AttemptRecord): boolean
  /** Forgets an attempt that was never on disk. */
  drop(open: OpenGeneration, attempt: AttemptRecord): void
  /** Begins no step and no wait any more. */
  stop(): void
  /** Resolves to true once no step is running, to false when `timeoutMs` is over. */
  idle(timeoutMs: number): Promise<boolean>
}

export interface Scheduling {
  readonly slots: ProviderSlots
  readonly schedule: Core['schedule']
  /** Notices pauses of the process as long as something is open. */
  watchForPauses(isNeeded: () => boolean): void
  stop(): void
}

/** How often a pause of the process is checked for while generations are open. */
const HEARTBEAT_MS = 1_000

export function createScheduling(ports: Ports, onPause: (pausedMs: number) => void): Scheduling {
  const wheel = createTimerWheel(ports.clock, onPause)
  const slots = createProviderSlots({
    nowMs: () => ports.clock.monotonicMs(),
    schedule: (delayMs, callback) => wheel.schedule(delayMs, callback),
    limitOf: (provider) => ports.settings.provider(provider)?.maxInFlight ?? 1,
  })
  let isWatching = false
  const beat = (isNeeded: () => boolean): void => {
    isWatching = isNeeded()
    if (isWatching) wheel.schedule(HEARTBEAT_MS, () => beat(isNeeded))
  }
  return {
    slots,
    schedule: (delayMs, callback) => wheel.schedule(delayMs, callback),
    watchForPauses(isNeeded) {
      if (!isWatching) beat(isNeeded)
    },
    stop() {
      wheel.stop()
      slots.stop()
    },
  }
}

/** What the driver keeps of an attempt: the wait it can end, or the step that runs. */
interface Drive {
  endWait: () => void
  isRunning: boolean
  /** Another step was asked for while one was running. */
  isAskedAgain: boolean
}

export function createDriver(
  core: Core,
  { slots, schedule, watchForPauses }: Pick<Scheduling, 'slots' | 'schedule' | 'watchForPauses'>,
): Driver {
  const drives = new Map<string, Drive>()
  let isStopped = false
  let running = 0
  let onIdle: (() => void) | null = null

  function driveOf({ id }: AttemptRecord): Drive {
    let drive = drives.get(id)
    if (!drive) drives.set(id, (drive = { endWait: () => {}, isRunning: false, isAskedAgain: false }))
    return drive
  }

  async function run(open: OpenGeneration, attempt: AttemptRecord): Promise<void> {
    const drive = driveOf(attempt)
    if (isStopped) return
    if (drive.isRunning) {
      drive.isAskedAgain = true
      return
    }
    drive.endWait()
    drive.endWait = () => {}
    drive.isRunning = true
    running++
    const next = await step(open, attempt)
    drive.isRunning = false
    running--
    const isAskedAgain = drive.isAskedAgain && (next.kind === 'later' || next.kind === 'slot')
    drive.isAskedAgain = false
    if (isAskedAgain) void run(open, attempt)
    else wait(open, attempt, next)
    if (running === 0) onIdle?.()
  }

  async function step(open: OpenGeneration, attempt: AttemptRecord): Promise<Next> {
    const { provider } = routeOf(open.record, attempt)
    let next: Next
    try {
      next = await advance(core, open, attempt, slots.isHeld(provider, attempt.id))
    } catch (error) {
      next = await endDefect(open, attempt, error)
    }
    if (next.kind !== 'slot') slots.leave(provider, open.record.key, attempt.id)
    if (!holdsSlot(attempt)) slots.release(provider, attempt.id)
    return next
  }

  /** A defect in a step ends its attempt, not the server. */
  async function endDefect(open: OpenGeneration, attempt: AttemptRecord, error: unknown): Promise<Next> {
    const reason = error instanceof Error ? (error.stack ?? error.message) : 'unknown'
    core.ports.log.error({ generation: open.record.id, attempt: attempt.id, error: reason }, 'a step failed unexpectedly')
    if (attempt.endedAt !== null) return nothing()
    const billed = attempt.submittedAt === null ? false : 'unknown'
    return fail(core, open, attempt, { code: 'internal', message: 'an internal error; see the server log', billed })
  }

  function wait(open: OpenGeneration, attempt: AttemptRecord, next: Next): void {
    const drive = driveOf(attempt)
    const again = () => void run(open, attempt)
    switch (next.kind) {
      case 'now':
        return again()
      case 'later':
        drive.endWait = schedule(next.afterMs, again)
        return
      case 'slot':
        drive.endWait = schedule(next.patienceMs, again)
        slots.wait(routeOf(open.record, attempt).provider, open.record.key, attempt.id, again)
        return
      case 'nothing':
        drives.delete(attempt.id)
        for (const { attempt: other, afterMs } of next.begin) begin(open, other, afterMs)
    }
  }

  function begin(open: OpenGeneration, attempt: AttemptRecord, afterMs = 0): void {
    watchForPauses(() => core.open.size > 0)
    // A task that is bought already counts at its vendor, whatever the limit says today.
    if (holdsSlot(attempt)) slots.hold(routeOf(open.record, attempt).provider, attempt.id)
    wait(open, attempt, afterMs > 0 ? { kind: 'later', afterMs } : { kind: 'now' })
  }

  return {
    begin,
    advanceNow: run,
    isRunning: ({ id }) => drives.get(id)?.isRunning ?? false,
    tryTakeSlot: (open, attempt) => slots.tryTake(routeOf(open.record, attempt).provider, attempt.id),
    drop(open, attempt) {
      slots.release(routeOf(open.record, attempt).provider, attempt.id)
      drives.delete(attempt.id)
    },
    stop() {
      isStopped = true
    },
    idle: (timeoutMs) =>
      new Promise((resolve) => {
        const finish = (isIdle: boolean) => {
          onIdle = null
          stopTimer()
          resolve(isIdle)
        }
        const stopTimer = core.ports.clock.after(timeoutMs, () => finish(false))
        onIdle = () => finish(true)
        if (running === 0) finish(true)
      }),
  }
}
