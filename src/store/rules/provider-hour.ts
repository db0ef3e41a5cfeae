import { saysHowProviderDoes } from '#contract'
import type { LedgerEntry } from '../../core/records.ts'
import type { ProviderHour } from '../../core/ports.ts'

export const HOUR_MS = 3_600_000
/** Each step is 2 percent longer than the one before, so that a duration is known within 1 percent. */
const STEP = Math.log(1.02)

/** What a settled task counts in the hour it ended. */
export interface HourCount {
  /** Since 1970. */
  readonly hour: number
  readonly isSuccess: boolean
  /** How long it took; null where that is not known. */
  readonly step: number | null
}

/** What of a line of the ledger says how its provider does. */
export type LineOfTask = Pick<LedgerEntry, 'at' | 'kind' | 'task'>

/** Null where a line says nothing of how its provider does. */
export function hourCountOf({ at, kind, task }: LineOfTask): HourCount | null {
  if (kind === 'adjusted' || task === null || task.wasSubmitted !== true || !saysHowProviderDoes(task.code)) return null
  const { durationMs = null } = task
  return {
    hour: Math.floor(at / HOUR_MS),
    isSuccess: task.code === null,
    step: durationMs === null ? null : Math.round(Math.log(Math.max(1, durationMs)) / STEP),
  }
}

/** How many tasks took so long. */
export interface Step {
  readonly step: number
  readonly tasks: number
}

/** Quantiles of an hour, from its steps in order. */
export function durationOf(steps: readonly Step[]): ProviderHour['durationMs'] {
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
