import { taskDurationMs } from '#sandbox'
import { createPollSchedule } from '../src/core/scheduling/poll-schedule.ts'

const POLLING = { first_ms: 2_000, min_ms: 500, max_ms: 5_000 }
const TASKS = 4_000

interface Followed {
  readonly polls: number
  /** When the last poll before the end was. */
  readonly notYetAtMs: number
  readonly lateMs: number
}

/** Polls one task until a poll finds it done. `next` returns the wait after a poll at `elapsedMs`. */
function follow(durationMs: number, next: (elapsedMs: number, progress: number | null) => number, reportsProgress: boolean): Followed {
  let at = 0
  let notYetAtMs = 0
  let polls = 0
  let progress: number | null = null
  for (;;) {
    at += next(at, progress)
    polls++
    if (at >= durationMs) return { polls, notYetAtMs, lateMs: at - durationMs }
    notYetAtMs = at
    progress = reportsProgress ? at / durationMs : null
  }
}

function report(name: string, followed: readonly Followed[]): void {
  const mean = (of: (one: Followed) => number) => followed.reduce((sum, one) => sum + of(one), 0) / followed.length
  const late = followed.map(({ lateMs }) => lateMs).toSorted((a, b) => a - b)
  const p95 = late[Math.floor(late.length * 0.95)] ?? 0
  console.log(
    `  ${name.padEnd(34)} ${mean(({ polls }) => polls)
      .toFixed(2)
      .padStart(6)} polls   late ${mean(({ lateMs }) => lateMs)
      .toFixed(0)
      .padStart(5)} ms on average, ${p95.toFixed(0).padStart(5)} ms at p95`,
  )
}

/** Polls made and lateness over the emulators' spread of durations, beside fixed intervals. A simulation: no clock, no network. */
export async function polling(): Promise<void> {
  for (const typicalMs of [2_000, 5_000, 12_000]) {
    const durations = Array.from({ length: TASKS }, (_, index) => taskDurationMs(typicalMs, ((index * 7919) % TASKS) / TASKS))
    console.log(`tasks of ${typicalMs / 2000}–${(typicalMs * 2) / 1000} s:`)
    for (const interval of [500, 1_500])
      report(
        `every ${interval / 1000} s`,
        durations.map((duration) => follow(duration, () => interval, false)),
      )
    for (const reportsProgress of [false, true]) {
      const pace = createPollSchedule()
      const followed = durations.map((duration) => {
        const seen = follow(duration, (elapsed, progress) => pace.nextPollMs('p', 'm', POLLING, elapsed, progress), reportsProgress)
        pace.observe('p', 'm', duration + seen.lateMs, seen.notYetAtMs)
        return seen
      })
      report(reportsProgress ? 'adaptive, vendor reports progress' : 'adaptive, no progress reported', followed.slice(100))
    }
  }
}
