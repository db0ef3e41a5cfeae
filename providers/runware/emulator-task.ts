import { randomInt, randomUUID } from 'node:crypto'
import { multiplyUsd, sumUsd, type Usd } from '#contract'
import { drawImage, storyOf, taskDurationMs, type Story } from '#sandbox'
import { isFields, type Fields, type WireError } from './emulator-validation.ts'

/** One image of a task, or its failure. Times are milliseconds since 1970. */
export interface Result {
  readonly task: Task
  readonly imageUUID: string
  /** Digits. */
  readonly seed: string
  readonly readyAt: number
  readonly failure: WireError | null
  image: Promise<Buffer> | null
}

export interface Task {
  readonly taskUUID: string
  readonly fields: Fields
  readonly story: Story | null
  readonly createdAt: number
  /** Infinity where it never ends. */
  readonly endsAt: number
  readonly costPerResult: Usd
  readonly results: readonly Result[]
  polls: number
}

const SLOW_FACTOR = 20
/** Looks that the story `unknown-status` answers with a status nobody documented. */
const STRANGE_POLLS = 2

const FAILED: WireError = { code: 'inferenceError', message: 'The inference failed.' }
const MODERATED: WireError = { code: 'nsfwContentDetected', message: 'Content Moderated: the generated image was refused.' }

/** Takes a valid imageInference task on. */
export function acceptTask(fields: Fields, typicalMs: number): Task {
  const story = storyOf(String(fields['positivePrompt']), 'runware')
  const createdAt = Date.now()
  const count = typeof fields['numberResults'] === 'number' ? fields['numberResults'] : 1
  const results: Result[] = []
  const durations = Array.from({ length: count }, () => durationOf(story, typicalMs))
  const task: Task = {
    taskUUID: String(fields['taskUUID']),
    fields,
    story,
    createdAt,
    endsAt: createdAt + Math.max(...durations),
    costPerResult: priceOf(fields),
    results,
    polls: 0,
  }
  const seed =
    story === 'big-seed' ? BigInt('9223372036854770000') + BigInt(randomInt(5000)) : BigInt(Number(fields['seed'] ?? randomInt(2 ** 32)))
  for (const [index, duration] of durations.entries()) {
    results.push({
      task,
      imageUUID: randomUUID(),
      seed: (seed + BigInt(index)).toString(),
      readyAt: createdAt + duration,
      failure: failureOf(story, index, count),
      image: null,
    })
  }
  return task
}

function durationOf(story: Story | null, typicalMs: number): number {
  if (story === 'never') return Infinity
  if (story === 'lost-reply') return 0
  return taskDurationMs(typicalMs, Math.random()) * (story === 'slow' ? SLOW_FACTOR : 1)
}

function failureOf(story: Story | null, index: number, count: number): WireError | null {
  if (story === 'error') return FAILED
  if (story === 'moderated-output') return MODERATED
  return story === 'partial' && count > 1 && index === count - 1 ? FAILED : null
}

const megapixels = (pixels: number): number => Math.max(1, Math.ceil(pixels / 1_048_576))

/** The published prices. References count as one megapixel each, as in the priced examples; the emulator does not look at them. */
function priceOf(fields: Fields): Usd {
  const output = megapixels(Number(fields['width']) * Number(fields['height']))
  const inputs = isFields(fields['inputs']) ? fields['inputs']['referenceImages'] : undefined
  const references = Array.isArray(inputs) ? inputs.length : 0
  switch (fields['model']) {
    case 'bfl:5@1':
      return sumUsd(['0.03', multiplyUsd('0.015', output - 1 + references)])
    case 'bfl:6@1':
      return multiplyUsd('0.06', output + references)
    default:
      return '0.04'
  }
}

/** What the delivered images cost; failed ones are free here, which the vendor does not document. */
export const chargeOf = (task: Task): Usd => multiplyUsd(task.costPerResult, task.results.filter(({ failure }) => failure === null).length)

/** A number in JSON with exactly these digits, which a double may not hold. */
export const exactly = (digits: string): unknown => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(digits)

export const errorEntry = (error: WireError, taskUUID: unknown, taskType: unknown): Fields => ({ ...error, taskType, taskUUID })

/** A finished result as the wire has it: the same flat object in `data[]` and in a webhook's body. */
export async function resultEntry(result: Result, origin: string): Promise<Fields> {
  const { task, failure } = result
  if (failure) return errorEntry(failure, task.taskUUID, 'imageInference')
  const { fields } = task
  const safety = fields['safety']
  return {
    taskType: 'imageInference',
    taskUUID: task.taskUUID,
    imageUUID: result.imageUUID,
    ...(await outputOf(result, origin)),
    seed: exactly(result.seed),
    ...(isFields(safety) && safety['checkContent'] === true ? { NSFWContent: false } : {}),
    ...(fields['includeCost'] === true ? { cost: exactly(task.costPerResult) } : {}),
  }
}

async function outputOf(result: Result, origin: string): Promise<Fields> {
  const { format, extension } = formatOf(result.task)
  switch (result.task.fields['outputType']) {
    case 'base64Data':
      return { imageBase64Data: (await imageOf(result)).toString('base64') }
    case 'dataURI':
      return { imageDataURI: `data:image/${format};base64,${(await imageOf(result)).toString('base64')}` }
    default:
      return { imageURL: `${origin}/image/${result.imageUUID}.${extension}` }
  }
}

/** What getResponse tells of a task: an entry for each result. */
export async function lookAt(
  task: Task,
  origin: string,
): Promise<{ readonly data: readonly Fields[]; readonly errors: readonly Fields[] }> {
  task.polls += 1
  const base = { taskType: 'imageInference', taskUUID: task.taskUUID }
  if (task.story === 'vanished') {
    const gone: WireError = { code: 'taskNotFound', message: 'No task with this UUID was found.', parameter: 'taskUUID' }
    return { data: [], errors: [errorEntry(gone, task.taskUUID, 'getResponse')] }
  }
  if (task.story === 'unknown-status' && task.polls <= STRANGE_POLLS) return { data: [{ ...base, status: 'warmingUp' }], errors: [] }
  const now = Date.now()
  const data: Fields[] = []
  const errors: Fields[] = []
  for (const result of task.results) {
    if (now < result.readyAt) data.push({ ...base, status: 'processing', progress: progressOf(result, now) })
    else if (result.failure) errors.push(await resultEntry(result, origin))
    else data.push({ ...(await resultEntry(result, origin)), status: 'success' })
  }
  return { data, errors }
}

function progressOf({ task, readyAt }: Result, now: number): number {
  return Number.isFinite(readyAt) ? Math.min(99, Math.floor((100 * (now - task.createdAt)) / (readyAt - task.createdAt))) : 10
}

export function formatOf({ fields }: Task): { readonly format: 'jpeg' | 'png' | 'webp'; readonly extension: string } {
  switch (fields['outputFormat']) {
    case 'PNG':
      return { format: 'png', extension: 'png' }
    case 'WEBP':
      return { format: 'webp', extension: 'webp' }
    default:
      return { format: 'jpeg', extension: 'jpg' }
  }
}

/** Draws once, then remembers the bytes. */
export function imageOf(result: Result): Promise<Buffer> {
  const { fields } = result.task
  result.image ??= drawImage({
    width: Number(fields['width']),
    height: Number(fields['height']),
    format: formatOf(result.task).format,
    quality: Number(fields['outputQuality'] ?? 95),
    prompt: String(fields['positivePrompt']),
    seed: result.seed,
  })
  return result.image
}

/** Whether the link to an image works: after it is ready, and not beyond its `ttl`. */
export function isLinkAlive({ task, readyAt, failure }: Result, now: number): boolean {
  const { ttl } = task.fields
  return failure === null && task.story !== 'expired-link' && now >= readyAt && (typeof ttl !== 'number' || now < readyAt + ttl * 1000)
}
