/** The longest a timer of Node can run. */
const MAX_TIMER_MS = 2 ** 31 - 1
/** How often the event loop shows that it is alive while anything waits. */
const TICK_MS = 250
/** So much later than a tick is due, the loop was blocked or the process was suspended. */
const LATE_MS = 100
/** After a pause nothing times out before it had so long to be read. */
const FRESH_CHANCE_MS = 2_000
/** In each turn of the event loop every socket is read once. */
const TURNS_TO_READ = 3

/** How long this process stood still, altogether, while anything was waiting: time in which it could not have read a reply. */
const pauses = { totalMs: 0, seenAt: 0, waiting: 0, ticker: null as NodeJS.Timeout | null }

function pausedMs(now: number): number {
  const gapMs = now - pauses.seenAt
  if (gapMs > TICK_MS + LATE_MS) pauses.totalMs += gapMs - TICK_MS
  pauses.seenAt = now
  return pauses.totalMs
}

function beginToWait(now: number): number {
  if (pauses.ticker === null) {
    pauses.seenAt = now
    pauses.ticker = setInterval(tick, TICK_MS).unref()
  }
  pauses.waiting += 1
  return pausedMs(now)
}

function tick(): void {
  pausedMs(performance.now())
  if (pauses.waiting > 0 || pauses.ticker === null) return
  clearInterval(pauses.ticker)
  pauses.ticker = null
}

/**
 * The only timer of this folder. It never takes our own pause for the other side's silence: time in which the process was suspended or the
 * event loop was blocked does not count, after such a pause there is a fresh short chance, and before it gives up what is already in
 * the sockets is read. Calls back once.
 */
export class Timeout {
  readonly #ms: number
  readonly #onTimeout: () => void
  #dueAt: number
  #pausedMs: number
  #timer: NodeJS.Timeout
  #isOver = false
  #isHeld = false

  constructor(ms: number, onTimeout: () => void) {
    const now = performance.now()
    this.#ms = ms
    this.#onTimeout = onTimeout
    this.#dueAt = now + ms
    this.#pausedMs = beginToWait(now)
    this.#timer = this.#arm(ms)
  }

  /** Begins anew: something was heard. Ends a hold. */
  touch(): void {
    this.#dueAt = performance.now() + this.#ms
    this.#isHeld = false
  }

  /** Nothing is waited for until the next touch: we do not read at the moment. */
  hold(): void {
    this.#isHeld = true
  }

  stop(): void {
    if (this.#isOver) return
    this.#isOver = true
    pauses.waiting -= 1
    clearTimeout(this.#timer)
  }

  #arm(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#fire(), Math.min(Math.ceil(ms), MAX_TIMER_MS))
  }

  #fire(): void {
    const now = performance.now()
    const paused = pausedMs(now)
    if (paused > this.#pausedMs) {
      const fresh = now + Math.min(this.#ms, FRESH_CHANCE_MS)
      this.#dueAt = Math.max(this.#dueAt + paused - this.#pausedMs, fresh)
      this.#pausedMs = paused
    }
    if (this.#isHeld) this.#dueAt = now + this.#ms
    if (this.#dueAt > now) this.#timer = this.#arm(this.#dueAt - now)
    else this.#readOn(TURNS_TO_READ)
  }

  #readOn(turns: number): void {
    if (this.#isOver) return
    if (this.#dueAt > performance.now() || this.#isHeld) this.#fire()
    else if (turns > 0) setImmediate(() => this.#readOn(turns - 1))
    else {
      this.stop()
      this.#onTimeout()
    }
  }
}
