import type { LedgerEntry, SettledTask } from '../../src/core/records.ts'
import type { BudgetCheck } from '../../src/core/ports.ts'

/** A line about a generation as a whole; `overrides` says what a test is about. */
export const ledgerEntry = (generationId: string, overrides: Partial<LedgerEntry> = {}): LedgerEntry => ({
  generationId,
  attemptId: null,
  key: 'team',
  provider: 'north',
  model: 'flux-2-pro',
  kind: 'quoted',
  amount: '0.03',
  at: 1_000,
  period: null,
  task: null,
  ...overrides,
})

/** The settlement of an attempt that delivered one image. */
export function settlement(
  generationId: string,
  attemptId: string,
  { task, ...overrides }: Omit<Partial<LedgerEntry>, 'task'> & { readonly task?: Partial<SettledTask> } = {},
): LedgerEntry & { readonly task: SettledTask; readonly attemptId: string } {
  const settled: SettledTask = {
    providerModel: 'north:2-pro',
    providerTaskId: `vendor's ${attemptId}`,
    status: 'succeeded',
    code: null,
    quoted: '0.03',
    images: 1,
    made: { width: 1024, height: 1024, references: [] },
    ...task,
  }
  return { ...ledgerEntry(generationId, { kind: 'billed', ...overrides }), attemptId, task: settled }
}

export const budget = (overrides: Partial<BudgetCheck> = {}): BudgetCheck => ({
  key: 'team',
  period: '2026-11',
  periodStart: 0,
  renewsAt: Date.UTC(2026, 11),
  limit: '0.21',
  ...overrides,
})
