import type { AttemptRecord, GenerationRecord, Instant } from '../records.ts'

/**
 * An open generation of a restored backup, or null where it stays as it is. The gateway that was backed up may have gone on and bought what the
 * backup shows as not bought, so nothing of it is submitted again: a queued attempt counts as submitted with its reply lost, and where only the
 * next attempt was to begin, none begins.
 */
export function withoutPurchases(record: GenerationRecord, at: Instant): GenerationRecord | null {
  if (record.attempts.every((attempt) => attempt.endedAt !== null)) return withoutNextAttempt(record)
  if (!record.attempts.some(({ status }) => status === 'queued')) return null
  const attempts = record.attempts.map((attempt) => (attempt.status === 'queued' ? perhapsSubmitted(attempt, at) : attempt))
  return { ...record, status: 'running', startedAt: record.startedAt ?? at, attempts }
}

const perhapsSubmitted = (attempt: AttemptRecord, at: Instant): AttemptRecord => ({
  ...attempt,
  status: 'submitting',
  submittedAt: at,
  interrupted: true,
})

/** What may have cost something is neither repeated nor followed by another route. */
function withoutNextAttempt(record: GenerationRecord): GenerationRecord {
  const attempts = record.attempts.map((attempt) =>
    attempt.error === null ? attempt : { ...attempt, error: { ...attempt.error, billed: attempt.error.billed || ('unknown' as const) } },
  )
  return { ...record, attempts }
}
