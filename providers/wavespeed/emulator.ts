import { randomUUID } from 'node:crypto'
import { bareNumber } from '#contract'
import { bearer, check, createEmulator, json, pollRoute, replyTable, sentencesOf } from '#sandbox'
import type { Checks, EmulatedModel, Fields, Kit, Pixels, Task, TaskFailure, WireReply } from '#sandbox'
import manifest from './manifest.json' with { type: 'json' }

const { fields, flag, form, list, text, whole } = check
const SIZE = /^(\d{3,4})\*(\d{3,4})$/
const sizeOf = ({ size }: Fields): Pixels => {
  const [, width = '1024', height = '1024'] = SIZE.exec(String(size)) ?? []
  return { width: Number(width), height: Number(height) }
}
const isSize = (value: string): boolean => {
  const { width, height } = sizeOf({ size: value })
  return SIZE.test(value) && [width, height].every((side) => side >= 256 && side <= 2048)
}
const link = form('a URL', check.isHttpUrl)

const model = (own: Checks, required: readonly string[], flat: string): EmulatedModel => ({
  schema: fields(
    {
      prompt: text(1),
      size: form('width*height, each from 256 to 2048', isSize),
      seed: whole({ min: -1 }),
      enable_sync_mode: flag,
      enable_base64_output: flag,
      ...own,
    },
    { required: ['prompt', ...required] },
  ),
  size: { ofBody: sizeOf },
  price: { flat },
})

/** From the pages that the manifest names (2026-11-28). The prices of [pro] and of edits are made up. */
const sold = (id: string, flat: string, edit?: string): Readonly<Record<string, EmulatedModel>> => ({
  [`wavespeed-ai/${id}/text-to-image`]: model({}, [], flat),
  ...(edit === undefined ? {} : { [`wavespeed-ai/${id}/edit`]: model({ images: list(link, 3, 1) }, ['images'], edit) }),
})
const MODELS = {
  ...sold('flux-2-pro', '0.03', '0.04'),
  ...sold('flux-2-flex', '0.06', '0.08'),
  ...sold('flux-2-max', '0.07', '0.09'),
  ...sold('flux-2-dev', '0.012', '0.02'),
  ...sold('flux-2-klein-9b', '0.01'),
}

interface Facts {
  readonly model: string
}

const say = (code: number, message: string, data: object | null = null): WireReply =>
  json(code, { code, message, ...(data !== null && { data }) })
/** What a caller without credit is answered is in a caller’s record; the words of the others are made up. */
const REPLIES = replyTable((status, words) => say(status, words), { 'no-credit': say(402, 'Insufficient credits. Please top up') })

const prediction = ({ id, facts, createdAt }: Task<Facts>, origin: string, status: string, more: object = {}): WireReply =>
  say(200, 'success', {
    id,
    model: facts.model,
    outputs: [],
    urls: { get: `${origin}/api/v3/predictions/${id}/result` },
    status,
    created_at: new Date(createdAt).toISOString(),
    error: '',
    timings: { inference: 0 },
    ...more,
  })

const FAILURES: Readonly<Record<TaskFailure, string>> = {
  moderated: 'Content flagged as potentially sensitive. Please try different prompts or images.',
  'moderated-output': 'Content flagged as potentially sensitive. Please try different prompts or images.',
  error: 'The worker failed',
}

/** What an order would cost; nothing is bought. */
const priced = (kit: Kit<Facts>, { model_id: id, inputs }: Fields): WireReply =>
  kit.estimate(id, inputs, [], (amount) => say(200, 'success', { model_id: id, unit_price: bareNumber(amount), currency: 'USD' }))

const submit = (kit: Kit<Facts>, name: string, body: unknown): Promise<WireReply> =>
  kit.submit(name, body, (task) => kit.accepted([task], prediction(task, kit.origin, 'created')))

/** The wire of the vendor’s own SDK, wavespeed 0.3.2. */
export const startEmulator = createEmulator<Facts>({
  provider: manifest.id,
  typicalMs: 3000,
  unplayed: ['partial', 'big-seed', 'huge-bill', 'zero-bill'],
  models: MODELS,
  fields: { references: ['images'] },
  newId: () => randomUUID().replaceAll('-', ''),
  facts: ({ model: name }) => ({ model: name }),
  delivery: { path: '/outputs', dead: say(404, 'not found') },
  key: bearer,
  replies: REPLIES,
  refused: REPLIES,
  invalid: (problems) => say(400, sentencesOf(problems)),
  states: {
    unknown: () => say(404, 'prediction not found'),
    vanished: () => say(404, 'prediction not found'),
    refused: (status) => say(status, 'refused'),
    strange: (count, task) => prediction(task, '', count === 1 ? 'warming_up' : 'queued'),
    pending: (progress, task, kit) => prediction(task, kit.origin, progress < 0.2 ? 'created' : 'processing'),
    failed: (failure, task, kit) => prediction(task, kit.origin, 'failed', { error: FAILURES[failure] }),
    async ready(task, kit) {
      const outputs = await Promise.all(task.images.map((image) => kit.link(task, image)))
      return prediction(task, kit.origin, 'completed', { outputs, timings: { inference: 2100 } })
    },
  },
  routes: (kit) => [
    { method: 'POST', path: '/api/v3/model/pricing', answer: ({ body }) => priced(kit, body as Fields) },
    {
      method: 'POST',
      path: '/api/v3/:owner/:model/:task',
      answer: ({ params: { owner, model: name, task }, body }) => submit(kit, `${owner}/${name}/${task}`, body),
    },
    pollRoute(kit, '/api/v3/predictions/:id/result'),
  ],
})
