import type { DatabaseSync } from 'node:sqlite'
import { saysHowProviderDoes } from '#contract'
import type { LedgerEntry } from '../../core/records.ts'
import type { ProviderHour, Store } from '../../core/ports.ts'
import type { Gathered } from './change.ts'

const HOUR_MS = 3_600_000
/** Each step is 2 percent longer than the one before, so that a duration is known within 1 percent. */
const STEP = Math.log(1.02)

/**
 * Counts settled tasks in the hours they ended: two rows that many tasks share, written once for all tasks of a transaction (about 1 µs
 * of CPU less for each where there are 20). A line of the ledger is counted once, as it is written once.
 */
export function providerHourWriter(database: DatabaseSync): ProviderHourWriter {
  const addToHour = database.prepare(`
    INSERT INTO provider_hours (provider, hour, succeeded, failed) VALUES (?, ?, ?, ?)
    ON CONFLICT (provider, hour) DO UPDATE SET succeeded = succeeded + excluded.succeeded, failed = failed + excluded.failed`)
  const addToStep = database.prepare(`
    INSERT INTO provider_hour_durations (provider, hour, step, tasks) VALUES (?, ?, ?, ?)
    ON CONFLICT (provider, hour, step) DO UPDATE SET tasks = tasks + excluded.tasks`)
  let counted: CountedHour[] = []

  const hourOf = (provider: string, hour: number): CountedHour => {
    const known = counted.find((one) => one.provider === provider && one.hour === hour)
    if (known) return known
    const fresh = { provider, hour, succeeded: 0, failed: 0, steps: new Map<number, number>() }
    counted.push(fresh)
    return fresh
  }

  return {
    count({ provider, at, task }) {
      if (task === null || task.wasSubmitted !== true || !saysHowProviderDoes(task.code)) return
      const hour = hourOf(provider, Math.floor(at / HOUR_MS))
      if (task.code === null) hour.succeeded++
      else hour.failed++
      const { durationMs = null } = task
      if (durationMs === null) return
      const step = Math.round(Math.log(Math.max(1, durationMs)) / STEP)
      hour.steps.set(step, (hour.steps.get(step) ?? 0) + 1)
    },
    write() {
      for (const { provider, hour, succeeded, failed, steps } of counted) {
        addToHour.run(provider, hour, succeeded, failed)
        for (const [step, tasks] of steps) addToStep.run(provider, hour, step, tasks)
      }
      counted = []
    },
    forget() {
      counted = []
    },
  }
}

export interface ProviderHourWriter extends Gathered {
  count(entry: LedgerEntry): void
}

interface CountedHour {
  readonly provider: string
  readonly hour: number
  succeeded: number
  failed: number
  /** How many tasks took so long, by step. */
  readonly steps: Map<number, number>
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
