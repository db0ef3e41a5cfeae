import { multiplyUsd, type Usd } from '#contract'
import { share } from './chance.ts'
import { taskDurationMs } from './emulator.ts'
import { LARGEST_SEED } from './numbers.ts'
import type { Play, Story } from './stories.ts'

export type ImageFormat = 'jpeg' | 'png' | 'webp'
/** Why an image is not delivered. */
export type TaskFailure = 'moderated' | 'moderated-output' | 'error'

/** One image of a task, as it is kept on disk. Plain JSON. */
export interface TaskImage {
  readonly id: string
  readonly width: number
  readonly height: number
  readonly format: ImageFormat
  readonly quality: number | null
  /** Digits. */
  readonly seed: string
  readonly durationMs: number
  readonly failure: TaskFailure | null
}

/** An accepted, hence paid, task, as it is kept on disk. Plain JSON; times are milliseconds since 1970. */
export interface TaskRecord<Facts> {
  readonly id: string
  readonly prompt: string
  readonly play: Play | null
  readonly createdAt: number
  readonly images: readonly TaskImage[]
  /** Dollars for each delivered image. */
  readonly pricePerImage: Usd
  readonly webhook: { readonly url: string; readonly secret: string | null } | null
  /** From the moment an image is ready; null where links do not end. */
  readonly linkLifeMs: number | null
  /** What else the vendor's replies repeat. */
  readonly facts: Facts
}

/** A task in memory: its record, and how often it was polled since the start of this process. */
export interface Task<Facts> extends TaskRecord<Facts> {
  polls: number
}

/** What a vendor takes as one task. */
export interface TaskOrder<Facts> {
  readonly id: string
  /** Image ids, one for each image. */
  readonly newImageId: () => string
  readonly prompt: string
  readonly count?: number
  readonly width: number
  readonly height: number
  readonly format: ImageFormat
  readonly quality?: number
  /** Digits of the first image's seed, counted up from image to image; left to chance without it. */
  readonly seed?: string | undefined
  readonly pricePerImage: Usd
  readonly webhook?: TaskRecord<Facts>['webhook']
  readonly linkLifeMs?: number | null
  readonly facts: Facts
}

export type ImageState =
  | { readonly kind: 'pending'; /** 0…0.99 */ readonly progress: number }
  | { readonly kind: 'failed'; readonly failure: TaskFailure }
  | { readonly kind: 'ready' }

/** What a poll finds. `strange` stands for a status nobody documented, `refused` for a call that is refused with an HTTP status. */
export type Poll =
  | { readonly kind: 'vanished' }
  | { readonly kind: 'refused'; readonly status: number }
  | { readonly kind: 'strange'; readonly count: number }
  | ImageState

const SLOW_FACTOR = 20
const STRANGE_POLLS = 2
const REFUSED_POLLS = '401,404,500'

/** The record of a new task. `serial` is its number; whatever a vendor leaves to chance follows from `name` and it. */
export function recordOf<Facts>(
  order: TaskOrder<Facts>,
  play: Play | null,
  name: string,
  typicalMs: number,
  now: number,
): TaskRecord<Facts> {
  const ordered = order.count ?? 1
  const count = play?.story === 'extra-image' ? ordered + 1 : ordered
  const firstSeed =
    play?.story === 'big-seed' ? LARGEST_SEED - BigInt(count - 1) : BigInt(order.seed ?? Math.floor(share(`${name} seed`) * 2 ** 32))
  const images = Array.from({ length: count }, (_, index) => ({
    id: order.newImageId(),
    width: order.width,
    height: order.height,
    format: play?.story === 'other-format' ? (order.format === 'jpeg' ? 'png' : 'jpeg') : order.format,
    quality: order.quality ?? null,
    seed: (firstSeed + BigInt(index)).toString(),
    durationMs: durationOf(play?.story, taskDurationMs(typicalMs, share(`${name} duration ${index}`))),
    failure: failureOf(play?.story, index, count),
  }))
  return {
    id: order.id,
    prompt: order.prompt,
    play,
    createdAt: now,
    images,
    pricePerImage: billed(play?.story, order.pricePerImage),
    webhook: order.webhook ?? null,
    linkLifeMs: order.linkLifeMs ?? null,
    facts: order.facts,
  }
}

/** Input moderation ends a task before it is processed. */
function durationOf(story: Story | undefined, ms: number): number {
  if (story === 'slow') return ms * SLOW_FACTOR
  return story === 'moderated' ? Math.ceil(ms / 10) : ms
}

function failureOf(story: Story | undefined, index: number, count: number): TaskFailure | null {
  if (story === 'moderated' || story === 'moderated-output' || story === 'error') return story
  return story === 'partial' && count > 1 && index === count - 1 ? 'error' : null
}

function billed(story: Story | undefined, price: Usd): Usd {
  if (story === 'zero-bill') return '0'
  return story === 'huge-bill' ? multiplyUsd(price, 1000) : price
}

export const readyAt = (task: TaskRecord<unknown>, image: TaskImage): number =>
  task.play?.story === 'never' ? Number.POSITIVE_INFINITY : task.createdAt + image.durationMs

export const endsAt = (task: TaskRecord<unknown>): number => Math.max(...task.images.map((image) => readyAt(task, image)))

export function imageState(task: TaskRecord<unknown>, image: TaskImage, now: number): ImageState {
  if (now < readyAt(task, image)) return { kind: 'pending', progress: Math.min(0.99, (now - task.createdAt) / image.durationMs) }
  return image.failure === null ? { kind: 'ready' } : { kind: 'failed', failure: image.failure }
}

/** The task as a whole: pending until its last image is, failed where none is delivered. */
export function taskState(task: TaskRecord<unknown>, now: number): ImageState {
  const states = task.images.map((image) => imageState(task, image, now))
  return states.find(({ kind }) => kind === 'pending') ?? states.find(({ kind }) => kind === 'ready') ?? states[0] ?? { kind: 'ready' }
}

/** Counts a poll and says what it finds. */
export function pollTask(task: Task<unknown>, now: number): Poll {
  task.polls += 1
  switch (task.play?.story) {
    case 'vanished':
      return { kind: 'vanished' }
    case 'unknown-status':
      return task.polls <= STRANGE_POLLS ? { kind: 'strange', count: task.polls } : taskState(task, now)
    case 'poll-refused': {
      const status = Number((task.play.parameter ?? REFUSED_POLLS).split(',')[task.polls - 1])
      return status >= 400 && status < 600 ? { kind: 'refused', status } : taskState(task, now)
    }
    default:
      return taskState(task, now)
  }
}

/** Whether an account's limit of unfinished tasks counts it. */
export const isUnfinished = (task: TaskRecord<unknown>, now: number): boolean => task.play?.story !== 'vanished' && now < endsAt(task)

/** What was taken from the account: failed images are free, which vendors seldom document. */
export const chargeOf = ({ images, pricePerImage }: TaskRecord<unknown>): Usd =>
  multiplyUsd(pricePerImage, images.filter(({ failure }) => failure === null).length)
