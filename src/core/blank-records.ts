import type { AttemptRecord, GenerationRecord, ImageRecord, TimelineEntry, WebhookTarget } from './records.ts'

/** An attempt before anything has happened to it: what code starts from, tests start from, and rows of earlier versions are read over. */
export const BLANK_ATTEMPT = {
  route: 0,
  images: 1,
  task: 0,
  seed: null,
  status: 'queued',
  providerTaskId: null,
  next: null,
  results: [],
  imageIds: [],
  cost: null,
  vendor: null,
  settled: null,
  error: null,
  tries: 1,
  retried: false,
  progress: null,
  polls: 0,
  interrupted: false,
  submittedAt: null,
  unfinishedAt: null,
  readyAt: null,
  endedAt: null,
} as const satisfies Partial<AttemptRecord>

/** An image of which nothing is known but its id; see `BLANK_ATTEMPT`. */
export const BLANK_IMAGE = {
  sha256: null,
  format: null,
  width: null,
  height: null,
  bytes: null,
  seed: null,
  flagged: null,
  link: null,
} as const satisfies Partial<ImageRecord>

/** A change of which nothing more is known; see `BLANK_ATTEMPT`. */
export const BLANK_CHANGE = { provider: null, progress: null } as const satisfies Partial<TimelineEntry>

/** One for all: most of thousands of open generations have none of what they are lists of. */
const NONE: readonly never[] = []

/** A generation before its first attempt; see `BLANK_ATTEMPT`. */
export const blankGeneration = () =>
  ({
    key: null,
    sandbox: false,
    references: NONE,
    webhook: null,
    routeIndex: 0,
    status: 'queued',
    attempts: [],
    images: NONE,
    warnings: NONE,
    error: null,
    promptUsed: null,
    timeline: [],
    startedAt: null,
    completedAt: null,
    storeMs: null,
  }) satisfies Partial<GenerationRecord>

/** A stored row as this version knows it: fields that came later have their blank value, and seeds, once numbers, are digits. */
export function readGeneration(stored: GenerationRecord): GenerationRecord {
  const row: Partial<GenerationRecord> = stored
  const attempts = stored.attempts.map((attempt, task) => {
    const seed: unknown = attempt.seed
    return Object.assign({ ...BLANK_ATTEMPT, task }, attempt, typeof seed === 'number' ? { seed: String(seed) } : {})
  })
  const images = row.images?.map((image) => Object.assign({ ...BLANK_IMAGE, generationId: stored.id }, image)) ?? NONE
  const timeline = row.timeline?.map((change) => Object.assign({ ...BLANK_CHANGE }, change)) ?? []
  return Object.assign(blankGeneration(), { webhook: standardWebhook(row) }, row, { attempts, images, timeline }) as GenerationRecord
}

/** What an earlier version kept in the request alone. */
function standardWebhook({ request }: Partial<GenerationRecord>): WebhookTarget | null {
  return request?.webhook ? { format: 'standard', ...request.webhook, context: null } : null
}
