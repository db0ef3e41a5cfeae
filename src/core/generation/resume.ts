import { observeDuration } from '../scheduling/poll-schedule.ts'
import type { GenerationRecord } from '../records.ts'
import type { Driver } from './driver.ts'
import { openGeneration, routeOf, type Core } from './open-generation.ts'

/** So many of the newest generations teach the poll schedule how long each offer takes. */
const REMEMBERED = 300

/** Begins with every attempt that a crash or a restart left open, as if it had just come to where it is. Returns how many generations. */
export async function resumeAll(core: Core, driver: Driver): Promise<number> {
  await rememberDurations(core)
  const records = await core.ports.store.claimOpen()
  for (const record of records) if (!core.open.has(record.id)) resume(core, driver, record)
  return records.length
}

function resume(core: Core, driver: Driver, record: GenerationRecord): void {
  const open = openGeneration(core, record, null)
  core.open.set(record.id, open)
  const left = record.attempts.filter((attempt) => attempt.endedAt === null)
  for (const attempt of left) if (attempt.status !== 'queued') attempt.interrupted = true
  // Stopped between the end of the last attempt and what follows from it.
  const [last = null] = left.length > 0 ? [] : record.attempts.slice(-1)
  for (const attempt of last === null ? left : [last]) driver.begin(open, attempt)
}

async function rememberDurations(core: Core): Promise<void> {
  const { records } = await core.ports.store.list({ status: 'succeeded', limit: REMEMBERED })
  for (const record of records.toReversed()) {
    for (const attempt of record.attempts) {
      if (!attempt.interrupted) observeDuration(core.pollSchedule, routeOf(record, attempt), attempt)
    }
  }
}
