import type { Clock } from '../ports.ts'

const TICK_MS = 20
/** A tick that comes this late means that the process was suspended, or the event loop stopped. */
const PAUSE_MS = 2_000

/** Callbacks run for so long in one turn of the event loop: thousands that are due at once send their polls in turns between which others are served. */
const MS_PER_TURN = 1

/** One timer for everything that waits, on the monotonic clock. A wait costs an entry in a set, not a pending promise. */
export interface TimerWheel {
  /** Calls back once, at or at most a tick after `delayMs`. */
  schedule(delayMs: number, callback: () => void): Wait
  readonly size: number
  /** Calls nobody back any more. */
  stop(): void
}

/** What was scheduled. */
export interface Wait {
  /** Takes it back. Where it was called, or taken back before, it does nothing. */
  end(): void
}

/** All that is due at one tick. */
interface Bucket {
  readonly waits: Set<WheelWait>
  remove(wait: WheelWait): void
}

/** A class, since each of thousands of open attempts holds one. */
class WheelWait implements Wait {
  readonly callback: () => void
  readonly #bucket: Bucket

  constructor(callback: () => void, bucket: Bucket) {
    this.callback = callback
    this.#bucket = bucket
  }

  end(): void {
    this.#bucket.remove(this)
  }
}

/** What waits, by the tick at which it is due. */
class Buckets {
  size = 0
  readonly #byTick = new Map<number, Bucket>()

  add(tick: number, callback: () => void): Wait {
    const bucket = this.#byTick.get(tick) ?? this.#begin(tick)
    const wait = new WheelWait(callback, bucket)
    bucket.waits.add(wait)
    this.size++
    return wait
  }

  /** All that is due from `next` to `now`, in order. After a long pause there are more ticks than buckets, so the buckets are walked. */
  take(next: number, now: number): readonly ReadonlySet<WheelWait>[] {
    const ticks = now - next + 1
    if (ticks <= this.#byTick.size) return Array.from({ length: Math.max(0, ticks) }, (_, index) => this.#take(next + index))
    const due = [...this.#byTick.keys()].filter((tick) => tick <= now).sort((one, other) => one - other)
    return due.map((tick) => this.#take(tick))
  }

  #take(tick: number): ReadonlySet<WheelWait> {
    const bucket = this.#byTick.get(tick)
    this.#byTick.delete(tick)
    return bucket?.waits ?? NO_WAITS
  }

  #begin(tick: number): Bucket {
    const waits = new Set<WheelWait>()
    const bucket: Bucket = {
      waits,
      remove: (wait) => {
        if (!waits.delete(wait)) return
        this.size--
        if (waits.size === 0 && this.#byTick.get(tick) === bucket) this.#byTick.delete(tick)
      },
    }
    this.#byTick.set(tick, bucket)
    return bucket
  }
}

const NO_WAITS: ReadonlySet<WheelWait> = new Set()

/** @param onPause called before anything that became due during a pause of the process, with how long the pause was */
export function createTimerWheel(clock: Pick<Clock, 'monotonicMs' | 'after'>, onPause: (pausedMs: number) => void = () => {}): TimerWheel {
  const buckets = new Buckets()
  let nextTick = 0
  let expectedAtMs = 0
  let isTicking = false
  let isStopped = false

  const callBack = inTurns(clock, () => isStopped)

  function awaitTick(): void {
    expectedAtMs = clock.monotonicMs() + TICK_MS
    clock.after(TICK_MS, tick)
  }

  function tick(): void {
    if (isStopped) return
    const nowMs = clock.monotonicMs()
    const lateMs = nowMs - expectedAtMs
    if (lateMs > PAUSE_MS) onPause(lateMs)
    const now = Math.floor(nowMs / TICK_MS)
    const due = buckets.take(nextTick, now)
    // Moved on first, so that what a callback schedules for at once lands in a bucket still to come.
    nextTick = Math.max(nextTick, now + 1)
    callBack(due)
    isTicking = buckets.size > 0
    if (isTicking) awaitTick()
  }

  return {
    schedule(delayMs, callback) {
      const nowMs = clock.monotonicMs()
      if (!isTicking) {
        isTicking = true
        nextTick = Math.floor(nowMs / TICK_MS)
        awaitTick()
      }
      return buckets.add(Math.max(nextTick, Math.ceil((nowMs + Math.max(0, delayMs)) / TICK_MS)), callback)
    },
    get size() {
      return buckets.size
    },
    stop() {
      isStopped = true
    },
  }
}

/** Calls back all of the sets that are due, after those before them, in turns; one that is taken out of its set meanwhile is not called. */
function inTurns(clock: Pick<Clock, 'monotonicMs' | 'after'>, isStopped: () => boolean): (due: readonly ReadonlySet<WheelWait>[]) => void {
  const waiting: ReadonlySet<WheelWait>[] = []
  const run = (): void => {
    const endsAtMs = clock.monotonicMs() + MS_PER_TURN
    for (let due = waiting[0]; due !== undefined; due = waiting[0]) {
      for (const wait of due) {
        if (isStopped()) return
        if (clock.monotonicMs() >= endsAtMs) return void clock.after(0, run)
        wait.end()
        wait.callback()
      }
      waiting.shift()
    }
  }
  return (due) => {
    const isRunning = waiting.length > 0
    waiting.push(...due)
    if (!isRunning) run()
  }
}
