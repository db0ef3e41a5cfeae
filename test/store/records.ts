import { BLANK_ATTEMPT, blankGeneration } from '../../src/core/blank-records.ts'
import type { AttemptRecord, ComparisonRecord, GenerationRecord, ImageRecord, Route } from '../../src/core/records.ts'

export const routeTo = (provider: string, model = 'flux-2-pro'): Route => ({
  provider,
  model,
  providerModel: `${provider}:${model}`,
  applied: { n: 1, width: 1536, height: 1024 } as Route['applied'],
  warnings: [],
  tasks: [1],
  quoted: null,
  price: null,
  options: {},
})

/** A generation that has just been accepted; `overrides` says what a test is about. */
export function generationRecord(
  id: string,
  overrides: Partial<GenerationRecord> & { metadata?: Record<string, string> } = {},
): GenerationRecord {
  const { metadata, ...fields } = overrides
  return {
    ...blankGeneration(),
    id,
    sandbox: true,
    createdAt: 1_000,
    request: { model: 'flux-2-pro', prompt: 'a lighthouse, „Leuchtturm“ 灯台 \u0000', ...(metadata === undefined ? {} : { metadata }) },
    model: 'flux-2-pro',
    routing: { strategy: 'order', considered: [] },
    routes: [routeTo('north'), routeTo('south')],
    ...fields,
  }
}

export const attemptRecord = (id: string, overrides: Partial<AttemptRecord> = {}): AttemptRecord => ({
  ...BLANK_ATTEMPT,
  id,
  taskId: `task of ${id}`,
  status: 'submitting',
  startedAt: 1_000,
  submittedAt: null,
  ...overrides,
})

export const imageRecord = (id: string, generationId: string, overrides: Partial<ImageRecord> = {}): ImageRecord => ({
  id,
  generationId,
  sha256: 'ab'.repeat(32),
  format: 'jpeg',
  width: 1536,
  height: 1024,
  bytes: 412_345,
  seed: '18446744073709551615',
  flagged: false,
  link: null,
  ...overrides,
})

/** A comparison all of whose providers have been asked. */
export const comparisonRecord = (id: string, overrides: Partial<ComparisonRecord> = {}): ComparisonRecord => ({
  id,
  key: null,
  sandbox: true,
  createdAt: 1_000,
  request: { model: 'flux-2-pro', prompt: 'a lighthouse' },
  references: [],
  entries: [{ kind: 'planned', provider: 'north' }],
  unbegun: null,
  ...overrides,
})
