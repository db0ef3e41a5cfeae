import { isTerminal } from '#contract'
import type { Generation } from '#contract'
import type { GenerationRecord, ImageRecord } from '../../../core/records.ts'
import type { Run } from '../../../core/generation/run.ts'
import type { Log } from '../../../core/ports.ts'
import { viewOf } from '../../../core/present/generation.ts'
import type { InBase64 } from '../../inline-images.ts'
import type { Intake } from '../../intake.ts'
import { deliveredImages, errorItem, imageItem, undelivered } from './items.ts'
import type { Item } from './items.ts'
import type { TaskError } from './task-error.ts'
import type { Wanted } from './to-request.ts'
import type { ImageLinks } from '../../../core/present/image-link.ts'
import { forThisRequest } from '../../request-context.ts'

/** A part of a task's answer: what came together belongs together. */
export interface Part {
  readonly data: readonly Item[]
  readonly errors: readonly Item[]
}

export interface FollowDependencies {
  readonly intake: Pick<Intake, 'wait'>
  readonly run: Pick<Run, 'watch'>
  readonly links: ImageLinks
  readonly log: Pick<Log, 'error'>
}

export interface Follower {
  readonly inBase64: InBase64
  readonly send: (part: Part) => void
  /** How long the end is waited for. */
  readonly waitMs: number
}

/** Sends images as they are stored, then what failed. Gives the generation as it is then. */
export async function follow(
  deps: FollowDependencies,
  id: string,
  wanted: Wanted,
  { send, waitMs, inBase64 }: Follower,
): Promise<Generation> {
  const sent = new Set<string>()
  let sending = Promise.resolve()
  const sendNew = (record: GenerationRecord): void => {
    const fresh = deliveredImages(record).filter((image) => !sent.has(image.id))
    if (fresh.length === 0) return
    for (const image of fresh) sent.add(image.id)
    sending = sendAfter(sending, record, fresh)
  }
  // Never rejects: nobody awaits it before the generation has ended.
  const sendAfter = async (earlier: Promise<void>, record: GenerationRecord, fresh: readonly ImageRecord[]): Promise<void> => {
    await earlier
    try {
      const sources = { links: deps.links, inBase64 }
      send({ data: await Promise.all(fresh.map((image) => imageItem(record, image, wanted, sources))), errors: [] })
    } catch (error) {
      deps.log.error({ generation: id, err: error }, 'an image could not be sent')
      send({ data: [], errors: [errorItem(UNREADABLE, wanted.taskUUID)] })
    }
  }
  const stop = deps.run.watch(id, forThisRequest(sendNew))
  const record = await deps.intake.wait(id, waitMs).finally(stop)
  if (!record) throw new Error(`generation ${id} is not in the store`)
  sendNew(record)
  await sending
  const errors = isTerminal(record.status) ? undelivered(record, wanted) : [errorItem(stillRunning(waitMs), wanted.taskUUID)]
  // An error ends the task for the client, so all of them are in the last part.
  if (errors.length > 0) send({ data: [], errors })
  return viewOf(record, deps.links)
}

const UNREADABLE: TaskError = {
  code: 'internalServerError',
  message: 'An image was made and could not be read; ask again with getResponse.',
}

const stillRunning = (waitMs: number): TaskError => ({
  code: 'timeoutResponse',
  message: `The task still runs after ${Math.round(waitMs / 1000)} s and goes on; getResponse with its taskUUID returns the result.`,
})
