import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'
import type { LedgerEntry } from '../../core/records.ts'
import type { Store, UnitOfWork } from '../../core/ports.ts'
import { durationOf, HOUR_MS, hourCountOf } from '../rules/provider-hour.ts'
import type { LineOfTask, Step } from '../rules/provider-hour.ts'
import { fedBehind } from './fed-behind.ts'
import type { GroupCommit } from './group-commit.ts'

type Row = Readonly<Record<string, SQLOutputValue>>

/** So many lines of the ledger are written before their tasks are counted; who asks has them counted first. */
const COUNTED_AFTER_LINES = 500
/** Counted in one transaction: two to three milliseconds. */
const BATCH = 500

/**
 * Counts settled tasks in the hours they ended, behind the ledger: two rows that many tasks share, and no write of a generation waits for
 * them.
 */
export function providerHours(database: DatabaseSync, group: Pick<GroupCommit, 'add'>): ProviderHours {
  const counter = hourCounter(database)
  const read = hourReader(database)
  const counted = fedBehind(group, { after: COUNTED_AFTER_LINES, feedBatch: () => counter.countBatch() === BATCH })
  return {
    noteWritten: ({ ledger = [] }) => counted.noteWritten(ledger.length),
    async read(...asked) {
      if (counter.isBehind()) await counted.feed()
      return read(...asked)
    },
  }
}

/** Counts all that is not counted yet, in the process that alone has the database. */
export function countProviderHours(database: DatabaseSync): void {
  const { countBatch } = hourCounter(database)
  for (let lines = BATCH; lines === BATCH;) {
    database.exec('BEGIN IMMEDIATE')
    lines = countBatch()
    database.exec('COMMIT')
  }
}

/** The last line that was counted is written with the counts, so each is counted once. */
function hourCounter(database: DatabaseSync) {
  const last = database.prepare('SELECT line FROM provider_hours_counted')
  const setLast = database.prepare('UPDATE provider_hours_counted SET line = ?')
  const next = database.prepare(`SELECT seq, at, kind, provider, task FROM ledger WHERE seq > ? ORDER BY seq LIMIT ${BATCH}`)
  const one = database.prepare('SELECT 1 FROM ledger WHERE seq > ?')
  const write = hourWriter(database)
  const countedTo = (): number => Number(last.get()?.['line'])
  return {
    isBehind: (): boolean => one.get(countedTo()) !== undefined,
    /** Within a transaction; returns how many lines it has counted. */
    countBatch(): number {
      const lines = next.all(countedTo())
      write(lines)
      const line = lines.at(-1)?.['seq']
      if (line !== undefined) setLast.run(line)
      return lines.length
    },
  }
}

export interface ProviderHours {
  /** A unit that is being written: its tasks will have to be counted. */
  noteWritten(unit: UnitOfWork): void
  readonly read: Store['providerHours']
}

interface CountedHour {
  readonly provider: string
  readonly hour: number
  succeeded: number
  failed: number
  /** How many tasks took so long, by step. */
  readonly steps: Map<number, number>
}

/** Adds up what lines of the ledger count, and writes each hour and each step once. */
function hourWriter(database: DatabaseSync): (lines: readonly Row[]) => void {
  const addToHour = database.prepare(`
    INSERT INTO provider_hours (provider, hour, succeeded, failed) VALUES (?, ?, ?, ?)
    ON CONFLICT (provider, hour) DO UPDATE SET succeeded = succeeded + excluded.succeeded, failed = failed + excluded.failed`)
  const addToStep = database.prepare(`
    INSERT INTO provider_hour_durations (provider, hour, step, tasks) VALUES (?, ?, ?, ?)
    ON CONFLICT (provider, hour, step) DO UPDATE SET tasks = tasks + excluded.tasks`)

  return (lines) => {
    for (const { provider, hour, succeeded, failed, steps } of hoursOf(lines)) {
      addToHour.run(provider, hour, succeeded, failed)
      for (const [step, tasks] of steps) addToStep.run(provider, hour, step, tasks)
    }
  }
}

function hoursOf(lines: readonly Row[]): readonly CountedHour[] {
  const counted: CountedHour[] = []
  const hourOf = (provider: string, hour: number): CountedHour => {
    const known = counted.find((one) => one.provider === provider && one.hour === hour)
    if (known) return known
    const fresh = { provider, hour, succeeded: 0, failed: 0, steps: new Map<number, number>() }
    counted.push(fresh)
    return fresh
  }
  for (const line of lines) {
    const counts = hourCountOf(lineOf(line))
    if (counts === null) continue
    const hour = hourOf(String(line['provider']), counts.hour)
    if (counts.isSuccess) hour.succeeded++
    else hour.failed++
    if (counts.step !== null) hour.steps.set(counts.step, (hour.steps.get(counts.step) ?? 0) + 1)
  }
  return counted
}

const lineOf = ({ at, kind, task }: Row): LineOfTask =>
  ({ at: Number(at), kind, task: task === null ? null : (JSON.parse(String(task)) as LedgerEntry['task']) }) as LineOfTask

function hourReader(database: DatabaseSync): Store['providerHours'] {
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
