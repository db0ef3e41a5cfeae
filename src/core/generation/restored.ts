import { isTerminal } from '#contract'
import type { AttemptRecord, ComparisonEntry, ComparisonRecord, GenerationRecord, Instant } from '../records.ts'

/**
 * An open generation of a restored backup. The gateway that was backed up may have gone on and bought what the backup shows as not bought, so
 * nothing of it is submitted again: a queued attempt counts as submitted with its reply lost, and no attempt follows those that there are
 * (`conclude.ts`), whatever becomes of them.
 */
export function withoutPurchases(record: GenerationRecord, at: Instant): GenerationRecord {
  const restored: GenerationRecord = { ...record, isRestored: true }
  // One that was canceled buys nothing more, wherever it goes on.
  if (isTerminal(record.status) || !record.attempts.some(({ status }) => status === 'queued')) return restored
  const attempts = record.attempts.map((attempt) => (attempt.status === 'queued' ? perhapsSubmitted(attempt, at) : attempt))
  return { ...restored, status: 'running', startedAt: record.startedAt ?? at, attempts }
}

const perhapsSubmitted = (attempt: AttemptRecord, at: Instant): AttemptRecord => ({
  ...attempt,
  status: 'submitting',
  submittedAt: at,
  interrupted: true,
})

/** The same for a comparison, of which some providers were not asked. @param begunAt the generation that was begun at a provider, if any */
export async function withoutQuestions(
  record: ComparisonRecord,
  begunAt: (provider: string) => Promise<string | null>,
): Promise<ComparisonRecord> {
  const entries = record.entries.map(async (entry): Promise<ComparisonEntry> => {
    if (entry.kind !== 'planned') return entry
    const { provider } = entry
    const generationId = await begunAt(provider)
    if (generationId !== null) return { kind: 'begun', provider, generationId }
    const reason = 'The backup was made before this provider was asked; the gateway that was backed up may have asked it since.'
    return { kind: 'refused', provider, code: 'outcome_unknown', reasons: [reason] }
  })
  return { ...record, entries: await Promise.all(entries), unbegun: null }
}
