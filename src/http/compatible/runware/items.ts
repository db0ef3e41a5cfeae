import { bareNumber, generationError, isTerminal, shareUsd } from '#contract'
import type { GenerationError } from '#contract'
import type { AttemptRecord, GenerationRecord, ImageRecord } from '../../../core/records.ts'
import { orderedImages } from '../../../core/plan/delivery.ts'
import type { InBase64 } from '../../inline-images.ts'
import { viewImage } from '../../../core/present/generation.ts'
import type { OutputType } from './checks.ts'
import { imageUuidOf } from './image-uuid.ts'
import { errorOfFailure } from './task-error.ts'
import type { TaskError } from './task-error.ts'
import type { Wanted } from './to-request.ts'
import type { ImageLinks } from '../../../core/present/image-link.ts'

/** An entry of `data[]` or `errors[]`. */
export type Item = Readonly<Record<string, unknown>>

const TASK_TYPE = 'imageInference'

/** Images whose attempt is over (stored, and priced), in the order of the tasks. */
export const deliveredImages = (record: GenerationRecord): readonly ImageRecord[] =>
  orderedImages(record).filter(({ id }) => isTerminal(record.status) || attemptOf(record, id)?.endedAt != null)

const attemptOf = (record: GenerationRecord, imageId: string): AttemptRecord | undefined =>
  record.attempts.find(({ imageIds }) => imageIds.includes(imageId))

export interface ItemSources {
  readonly links: ImageLinks
  readonly inBase64: InBase64
}

/** A result as the wire has it. Seed and cost are numbers of exactly our digits; a cost that is not known stays out. */
export async function imageItem(
  record: GenerationRecord,
  image: ImageRecord,
  wanted: Wanted,
  { links, inBase64 }: ItemSources,
): Promise<Item> {
  const amount = wanted.includeCost ? costOfImage(record, image) : null
  return {
    taskType: TASK_TYPE,
    taskUUID: wanted.taskUUID,
    imageUUID: imageUuidOf(image.id),
    ...(await outputOf(image, wanted.outputTypes, links, inBase64)),
    ...(image.seed === null ? {} : { seed: bareNumber(image.seed) }),
    ...(image.flagged === null ? {} : { NSFWContent: image.flagged }),
    ...(amount === null ? {} : { cost: bareNumber(amount) }),
  }
}

/** The link stands in for bytes that are not stored here. */
async function outputOf(image: ImageRecord, types: readonly OutputType[], links: ImageLinks, inBase64: InBase64): Promise<Item> {
  const base64 = types.some((type) => type !== 'URL') ? await inBase64(image) : null
  return {
    ...(types.includes('URL') || base64 === null ? { imageURL: viewImage(image, links).url } : {}),
    ...(types.includes('base64Data') && base64 !== null ? { imageBase64Data: base64 } : {}),
    ...(types.includes('dataURI') && base64 !== null ? { imageDataURI: `data:image/${image.format};base64,${base64}` } : {}),
  }
}

/** An image's share of what its paid task cost; the shares sum to the whole. */
function costOfImage(record: GenerationRecord, image: ImageRecord): string | null {
  const attempt = attemptOf(record, image.id)
  const amount = attempt?.settled?.amount ?? null
  if (!attempt || amount === null) return null
  return shareUsd(amount, attempt.imageIds.length)[attempt.imageIds.indexOf(image.id)] ?? null
}

export const errorItem = (error: TaskError, taskUUID: unknown, taskType: unknown = TASK_TYPE): Item => ({
  ...error,
  ...(taskType === undefined ? {} : { taskType: shortened(taskType) }),
  ...(taskUUID === undefined ? {} : { taskUUID: shortened(taskUUID) }),
})

/** What a caller sent as a name, given back no longer than any name is. */
const shortened = (name: unknown): unknown => (typeof name === 'string' ? name.slice(0, MOST_NAME_CHARS) : name)
const MOST_NAME_CHARS = 100

/** The error of an ended generation without images; else one for each image that it did not deliver. */
export function undelivered(record: GenerationRecord, wanted: Wanted): readonly Item[] {
  if (!isTerminal(record.status)) return []
  const errors = record.attempts.flatMap(({ route, retried, error, images, imageIds }) =>
    route === record.routeIndex && !retried && error !== null
      ? Array.from({ length: images - imageIds.length }, (): GenerationError => error)
      : [],
  )
  if (record.images.length === 0 && record.error) return [errorItem(errorOfFailure(record.error), wanted.taskUUID)]
  const unexplained =
    record.error ?? generationError({ code: 'bad_reply', message: 'fewer images were delivered than asked', billed: 'unknown' }, null)
  const count = record.images.length === 0 ? 1 : countOf(record) - record.images.length
  return Array.from({ length: count }, (_, index) => errorItem(errorOfFailure(errors[index] ?? unexplained), wanted.taskUUID))
}

/** Results still to come, as getResponse returns them; progress is 0–100. */
export function processingItems(record: GenerationRecord, wanted: Wanted): readonly Item[] {
  if (isTerminal(record.status)) return []
  const open = record.attempts.filter(({ route, retried, endedAt }) => route === record.routeIndex && !retried && endedAt === null)
  const progress = open.flatMap(({ images, progress: part }) => Array.from({ length: images }, () => part))
  return Array.from({ length: countOf(record) - deliveredImages(record).length }, (_, index) => ({
    taskType: TASK_TYPE,
    taskUUID: wanted.taskUUID,
    status: 'processing',
    progress: Math.round((progress[index] ?? 0) * 100),
  }))
}

const countOf = (record: GenerationRecord): number => record.request.n ?? 1
