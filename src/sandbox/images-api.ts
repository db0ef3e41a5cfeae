import { randomUUID } from 'node:crypto'
import { multiplyUsd, type Usd } from '#contract'
import { createEmulator } from './create-emulator.ts'
import type { StartEmulator } from './emulator.ts'
import { isFields, type Fields } from './fields.ts'
import { bearer, json, replyTable, type ReplyTable } from './replies.ts'
import { sentencesOf } from './sentences.ts'
import type { WireReply, WireRequest } from './server.ts'
import type { Story } from './stories.ts'
import type { Task, TaskImage } from './task.ts'
import type { EmulatedModel, Kit, WireRoute } from './wire.ts'

/** What differs between vendors whose one call is held until its images are drawn, which come in base64 in `data[]`. */
export interface ImagesApi {
  /** The provider's id, which is that of its folder. */
  readonly provider: string
  readonly path: string
  /** The middle of how long a task takes, unless the starter says otherwise. */
  readonly typicalMs: number
  readonly models: Readonly<Record<string, EmulatedModel>>
  /** Where the body has reference images. */
  readonly references?: readonly string[]
  /** Stories for which the wire has no words, beside those of polls, links and seeds. */
  readonly unplayed?: readonly Story[]
  /** An error in the vendor's envelope. */
  problem(status: number, message: string): WireReply
  /** Errors with words or statuses of their own. */
  readonly replies: Partial<ReplyTable>
  /** What moderation answers once the task was taken: `moderated` is the story of the request. */
  moderated(isOutput: boolean): WireReply
  /** The reply: entries of `data[]` are made by `item`; `cost` is that of all images. */
  reply(task: Task<string>, data: readonly Fields[], cost: Usd): Fields
  item(base64: string, image: TaskImage, index: number): Fields
  /** What it answers besides. */
  readonly routes?: readonly WireRoute[]
}

const ANSWERLESS = [
  ...(['vanished', 'unknown-status', 'poll-refused', 'big-seed', 'partial'] as const),
  ...(['expired-link', 'late-link', 'flaky-link', 'gzip-link', 'range-link', 'drip-link', 'odd-link'] as const),
]

/** The emulator of such a vendor. It has neither polls nor links; a task's facts are the vendor's id of its model. */
export function createImagesEmulator(api: ImagesApi): StartEmulator {
  const replies = replyTable(api.problem, { moderated: api.moderated(false), ...api.replies })
  const never = (): WireReply => replies['not-found']
  const held = (kit: Kit<string>, { body, closed }: WireRequest) =>
    kit.submit(isFields(body) ? body['model'] : undefined, body, async (task) => kit.accepted([task], await kit.held(task, closed)))
  return createEmulator<string>({
    provider: api.provider,
    typicalMs: api.typicalMs,
    unplayed: [...ANSWERLESS, ...(api.unplayed ?? [])],
    models: api.models,
    fields: { references: api.references ?? [] },
    newId: randomUUID,
    facts: ({ model }) => model,
    delivery: { path: '/none', dead: never() },
    key: bearer,
    replies,
    refused: replies,
    invalid: (problems) => api.problem(400, sentencesOf(problems)),
    states: {
      unknown: never,
      vanished: never,
      refused: never,
      strange: never,
      pending: never,
      failed: (failure) => (failure === 'error' ? replies.crash : api.moderated(failure === 'moderated-output')),
      async ready(task, kit) {
        const made = task.images.filter(({ failure }) => failure === null)
        const data = await Promise.all(made.map(async (image, index) => api.item(await kit.inline(task, image), image, index)))
        return json(200, api.reply(task, data, multiplyUsd(task.pricePerImage, made.length)))
      },
    },
    routes: (kit) => [{ method: 'POST', path: api.path, answer: (request) => held(kit, request) }, ...(api.routes ?? [])],
  })
}
