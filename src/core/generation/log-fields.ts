import type { AttemptRecord, GenerationRecord } from '../records.ts'
import type { Log, LogFields } from '../ports.ts'
import { costOf } from '../billing/settle.ts'

/**
 * What every line of a generation carries, so that one request can be followed through all of them, across restarts too.
 * @param attempt which one the line is about; without it, the last one
 */
export function logFields(record: GenerationRecord, attempt: Pick<AttemptRecord, 'id'> | null = record.attempts.at(-1) ?? null): LogFields {
  const { requestId } = record
  return { ...(requestId === undefined ? {} : { request_id: requestId }), generation: record.id, attempt: attempt?.id ?? null }
}

/**
 * The one line about the end of a generation: what came of it, what it cost as far as is known, and how long it took. A warning where it failed, an
 * error where it may be paid and lost.
 */
export function logEnd(log: Log, record: GenerationRecord): void {
  const { status, error, key, model, sandbox, createdAt, completedAt } = record
  const { amount, basis } = costOf(record)
  const fields = {
    ...logFields(record),
    key,
    model,
    provider: record.routes[record.routeIndex]?.provider ?? null,
    status,
    code: error?.code ?? null,
    cost: amount,
    basis,
    ms: (completedAt ?? createdAt) - createdAt,
    attempts: record.attempts.length,
    ...(sandbox ? { sandbox } : {}),
  }
  if (status !== 'failed') log.info(fields, 'a generation has ended')
  else if (error?.code === 'outcome_unknown')
    log.error(fields, 'a generation has ended; it may be paid and lost: ask the provider about it')
  else log.warn(fields, 'a generation has failed')
}

/** What a defect says of itself, for the log alone. */
export const defectIn = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : 'unknown')
