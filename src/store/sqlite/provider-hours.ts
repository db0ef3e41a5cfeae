import type { DatabaseSync } from 'node:sqlite'
import { saysHowProviderDoes } from '#contract'
import type { LedgerEntry } from '../../core/records.ts'
import type { ProviderHour, Store } from '../../core/ports.ts'

const HOUR_MS = 3_600_000
/** Each step is 2 percent longer than the one before, so that a duration is known within 1 percent. */
const STEP = Math.log(1.02)

/** Counts a settled task in the hour it ended: two rows that many tasks share. A line of the ledger is counted once, as it is written once. */
export function providerHourWriter(database: DatabaseSync): (entry: LedgerEntry) => void {
  const count = database.prepare(`
    INSERT INTO provider_hours (provider, hour, succeeded, failed) VALUES (?, ?, ?, ?)
    ON CONFLICT (provider, hour) DO UPDATE SET succeeded = succeeded + excluded.succeeded, failed = failed + excluded.failed`)
  const countDuration = database.prepare(`
    INSERT INTO provider_hour_durations (provider, hour, step, tasks) VALUES (?, ?, ?, 1)
    ON CONFLICT (provider, hour, step) DO UPDATE SET tasks = tasks + 1`)
  return ({ provider, at, task }) => {
    if (task === null || task.wasSubmitted !== true || !saysHowProviderDoes(task.code)) return
    const hour = Math.floor(at / HOUR_MS)
    count.run(provider, hour, task.code === null ? 1 : 0, task.code === null ? 0 : 1)
    const { durationMs = null } = task
    if (durationMs !== null) countDuration.run(provider, hour, Math.round(Math.log(Math.max(1, durationMs)) / STEP))
  }
}

export function providerHourReader(database: DatabaseSync): Store['providerHours'] {
  const hours = database.prepare('SELECT * FROM provider_hours WHERE provider = ? AND hour >= ? AND hour < ? ORDER BY hour')
  const durations = database.prepare(
    'SELECT hour, step, tasks FROM provider_hour_durations WHERE provider = ? AND hour >= ? AND hour < ? ORDER BY hour, step',
  )
  return async (provider, from, to) => {
    const range = [provider, Math.floor(from / HOUR_MS), Math.ceil(to / HOUR_MS)] as const
    const taken = new Map<number, Step[]>()
    for (const { hour, step, tasks } of durations.all(...range)) {
      const steps = taken.get(Number(hour)) ?? []
      steps.push({ step: Number(step), tasks: Number(tasks) })
      taken.set(Number(hour), steps)
    }
    return hours.all(...range).map(({ hour, succeeded, failed }) => ({
      startsAt: Number(hour) * HOUR_MS,
      succeeded: Number(succeeded),
      failed: Number(failed),
      durationMs: durationOf(taken.get(Number(hour)) ?? []),
    }))
  }
}

interface Step {
  readonly step: number
  readonly tasks: number
}

function durationOf(steps: readonly Step[]): ProviderHour['durationMs'] {
  const samples = steps.reduce((sum, { tasks }) => sum + tasks, 0)
  const quantile = (share: number): number => {
    const rank = Math.min(samples - 1, Math.floor(share * samples))
    let passed = 0
    for (const { step, tasks } of steps) {
      passed += tasks
      if (passed > rank) return Math.round(Math.exp(step * STEP))
    }
    return 0
  }
  return samples === 0 ? null : { p50: quantile(0.5), p95: quantile(0.95), samples }
}
