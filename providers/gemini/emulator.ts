import { randomBytes } from 'node:crypto'
import { atOnce, check, createEmulator, headerKey, isFields, json, replyTable, sentenceOf, submitHeld } from '#sandbox'
import type { Check, EmulatedModel, FieldProblem, Fields, Kit, Pixels, Task, TaskFailure, WireReply, WireRequest } from '#sandbox'
import manifest from './manifest.json' with { type: 'json' }

const { fields, list, oneOf, text, whole } = check

const TEN = ['1:1', '2:3', '3:2', '3:4', '4:3', '4:5', '5:4', '9:16', '16:9', '21:9']
const FOURTEEN = [...TEN, '1:4', '1:8', '4:1', '8:1']
/** Where a shape at 1K is not the one that its ratio gives at a million pixels: https://ai.google.dev/gemini-api/docs/image-generation, 2026-11-28. */
const AT_1K: Readonly<Record<string, Pixels>> = sizes(
  '1:1 1024x1024 2:3 848x1264 3:2 1264x848 3:4 896x1200 4:3 1200x896 4:5 928x1152 5:4 1152x928 9:16 768x1376 16:9 1376x768 21:9 1584x672',
)
const OF_FLASH: Readonly<Record<string, Pixels>> = sizes(
  '1:1 1024x1024 2:3 832x1248 3:2 1248x832 3:4 864x1184 4:3 1184x864 4:5 896x1152 5:4 1152x896 9:16 768x1344 16:9 1344x768 21:9 1536x672',
)

function sizes(table: string): Readonly<Record<string, Pixels>> {
  const words = table.split(' ')
  const pairs = words.flatMap((ratio, index) => (index % 2 === 0 ? [[ratio, words[index + 1] ?? ''] as const] : []))
  return Object.fromEntries(
    pairs.map(([ratio, size]) => {
      const [width = 0, height = 0] = size.split('x').map(Number)
      return [ratio, { width, height }]
    }),
  )
}

interface Sold {
  readonly ratios: readonly string[]
  readonly at1K: Readonly<Record<string, Pixels>>
  /** Tokens of an image by resolution; empty where it has one alone, whose tokens are `usual`. Made up where the vendor publishes none. */
  readonly tokens: Readonly<Record<string, number>>
  readonly usual: number
  readonly references: number
}

const SOLD: Readonly<Record<string, Sold>> = {
  'gemini-nano-banana-2.1': {
    ratios: FOURTEEN,
    at1K: AT_1K,
    tokens: { '1K': 1_120, '2K': 1_680, '4K': 2_520 },
    usual: 1_120,
    references: 14,
  },
  'gemini-3-pro-image': { ratios: TEN, at1K: AT_1K, tokens: { '1K': 1_120, '2K': 1_120, '4K': 2_000 }, usual: 1_120, references: 14 },
  'gemini-2.5-flash-image': { ratios: TEN, at1K: OF_FLASH, tokens: {}, usual: 1_290, references: 3 },
}
const FACTORS: Readonly<Record<string, number>> = { '2K': 2, '4K': 4 }

function sizeOf({ at1K }: Sold, { aspectRatio, imageSize }: Fields): Pixels {
  const ratio = typeof aspectRatio === 'string' ? aspectRatio : '1:1'
  const [across = 1, down = 1] = ratio.split(':').map(Number)
  const onGrid = (length: number): number => Math.round(length / 16) * 16
  const ideal = { width: onGrid(1024 * Math.sqrt(across / down)), height: onGrid(1024 * Math.sqrt(down / across)) }
  const { width, height } = at1K[ratio] ?? ideal
  const factor = FACTORS[String(imageSize)] ?? 1
  return { width: width * factor, height: height * factor }
}

/** A flat order, as `flattened` makes it of a body. */
function modelOf(sold: Sold): EmulatedModel {
  const own: Readonly<Record<string, Check>> = {
    prompt: text(1),
    references: list(check.form('an image in base64', check.isBase64), sold.references),
    aspectRatio: oneOf(...sold.ratios),
    ...(Object.keys(sold.tokens).length > 0 ? { imageSize: oneOf(...Object.keys(sold.tokens)) } : {}),
    seed: whole({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  }
  return {
    schema: fields(own, { required: ['prompt'] }),
    size: { ofBody: (body) => sizeOf(sold, body) },
    price: { ofBody: ({ imageSize }) => String(sold.tokens[String(imageSize)] ?? sold.usual) },
  }
}

const LEVELS = oneOf('MINIMAL', 'LOW', 'MEDIUM', 'HIGH')
const PART = fields({ text: text(1), inlineData: fields({ mimeType: text(1), data: text(1) }, { required: ['mimeType', 'data'] }) })
const CONTENT = fields({ role: oneOf('user', 'model'), parts: list(PART, 100, 1) }, { required: ['parts'] })
/** @google/genai 3.1.0 of 2026-11-10, as far as images need it; unknown names are refused, as the vendor does. */
const BODY = fields(
  {
    contents: list(CONTENT, 1, 1),
    generationConfig: fields({
      responseModalities: list(oneOf('TEXT', 'IMAGE')),
      imageConfig: fields({ aspectRatio: text(), imageSize: text() }),
      thinkingConfig: fields({ thinkingLevel: LEVELS, includeThoughts: check.flag }),
      seed: whole(),
      ...check.each(['temperature', 'topP'], check.number()),
      candidateCount: whole({ min: 1, max: 1 }),
    }),
    safetySettings: list(fields({ category: text(1), threshold: text(1) }, { required: ['category', 'threshold'] })),
  },
  { required: ['contents'] },
)

function flattened(body: Fields): Fields {
  const { contents, generationConfig } = body as { readonly contents: readonly Fields[]; readonly generationConfig?: Fields }
  const parts = (contents[0]?.['parts'] ?? []) as readonly { readonly text?: string; readonly inlineData?: { readonly data: string } }[]
  const images = parts.flatMap(({ inlineData }) => inlineData?.data ?? [])
  const config = isFields(generationConfig?.['imageConfig']) ? generationConfig['imageConfig'] : {}
  const seed = generationConfig?.['seed']
  return {
    prompt: parts.flatMap((part) => part.text ?? []).join('\n'),
    ...(images.length === 0 ? {} : { references: images }),
    ...config,
    ...(seed === undefined ? {} : { seed }),
  }
}

interface Facts {
  readonly model: string
  readonly textTokens: number
  readonly imageTokens: number
}

const problem = (code: number, message: string, status: string, details: readonly object[] = []): WireReply =>
  json(code, { error: { code, message, status, ...(details.length > 0 && { details }) } })
const info = (reason: string) => ({ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason, domain: 'googleapis.com' })
const retry = { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '1s' }
const BAD_KEY = problem(400, 'API key not valid. Please pass a valid API key.', 'INVALID_ARGUMENT', [info('API_KEY_INVALID')])

const REPLIES = replyTable((status, words) => problem(status, words, status === 404 ? 'NOT_FOUND' : 'INVALID_ARGUMENT'), {
  'wrong-key': BAD_KEY,
  unauthorized: BAD_KEY,
  'no-credit': problem(402, 'Your prepayment credits are depleted.', 'RESOURCE_EXHAUSTED'),
  // The wait stands in the body alone.
  'rate-limited': problem(429, 'You exceeded your current quota.', 'RESOURCE_EXHAUSTED', [retry]),
  unavailable: problem(503, 'The model is overloaded. Please try again later.', 'UNAVAILABLE'),
  crash: problem(500, 'An internal error has occurred.', 'INTERNAL'),
  moderated: json(200, {
    promptFeedback: { blockReason: 'PROHIBITED_CONTENT' },
    usageMetadata: { promptTokenCount: 8, totalTokenCount: 8 },
  }),
})

const invalid = (problems: readonly FieldProblem[]): WireReply =>
  problem(
    400,
    problems
      .map(({ path, fault }) =>
        fault.kind === 'unknown'
          ? `Invalid JSON payload received. Unknown name "${path.at(-1)}": Cannot find field.`
          : `Invalid value at '${path.join('.')}': it ${sentenceOf(fault)}`,
      )
      .join('\n'),
    'INVALID_ARGUMENT',
  )

async function generate(kit: Kit<Facts>, { params, body, closed }: WireRequest): Promise<WireReply> {
  const [, model] = /^(.+):generateContent$/.exec(params['call'] ?? '') ?? []
  if (model === undefined) return REPLIES['not-found']
  const problems = BODY(body)
  if (problems.length > 0 || !isFields(body)) return invalid(problems)
  return submitHeld(kit, model, flattened(body), closed)
}

const THOUGHTS = 200
const detail = (modality: string, tokenCount: number) => ({ modality, tokenCount })

/** The answer with these parts; `images` is how many tokens were drawn. */
function answer({ id, facts }: Task<Facts>, finishReason: string, parts: readonly object[], images: number): WireReply {
  const { model, textTokens, imageTokens } = facts
  const prompt = textTokens + imageTokens
  const candidates = [{ content: { role: 'model', parts }, finishReason, index: 0 }]
  const usageMetadata = {
    promptTokenCount: prompt,
    promptTokensDetails: [detail('TEXT', textTokens), ...(imageTokens > 0 ? [detail('IMAGE', imageTokens)] : [])],
    candidatesTokenCount: images,
    ...(images > 0 && { candidatesTokensDetails: [detail('IMAGE', images)] }),
    thoughtsTokenCount: THOUGHTS,
    totalTokenCount: prompt + images + THOUGHTS,
  }
  return json(200, { candidates, usageMetadata, modelVersion: model, responseId: id })
}

const ENDS: Readonly<Record<TaskFailure, string>> = { moderated: 'SAFETY', 'moderated-output': 'IMAGE_SAFETY', error: 'IMAGE_OTHER' }

async function delivered(task: Task<Facts>, kit: Kit<Facts>): Promise<WireReply> {
  const parts = await Promise.all(
    task.images.map(async (image) => ({ inlineData: { mimeType: `image/${image.format}`, data: await kit.inline(task, image) } })),
  )
  return answer(task, 'STOP', parts, Number(task.pricePerImage) * parts.length)
}

/** The vendor’s wire: one call, held until its image is drawn, which comes in base64. It has neither polls nor links, batches nor seeds. */
export const startEmulator = createEmulator<Facts>({
  provider: manifest.id,
  typicalMs: 4000,
  models: Object.fromEntries(Object.entries(SOLD).map(([model, sold]) => [model, modelOf(sold)])),
  fields: { references: ['references'] },
  newId: () => randomBytes(12).toString('base64url'),
  facts: ({ model, prompt, references }) => ({ model, textTokens: Math.ceil(prompt.length / 4), imageTokens: 560 * references.length }),
  ...atOnce<Facts>({
    nothing: REPLIES['not-found'],
    unplayed: ['partial'],
    failed: (failure, task) => answer(task, ENDS[failure], [], 0),
    ready: delivered,
  }),
  key: headerKey('x-goog-api-key'),
  replies: REPLIES,
  refused: REPLIES,
  invalid,
  // The vendor's own SDK calls the first, its pages the second.
  routes: (kit) =>
    ['v1', 'v1beta'].map((version) => ({
      method: 'POST',
      path: `/${version}/models/:call`,
      answer: (request) => generate(kit, request),
    })),
})
