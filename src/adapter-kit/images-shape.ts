import { z } from 'zod'
import { amountForUnits, valueAt, type Adapter, type Call, type Failure, type ImageRef, type ImagesShape, type Json } from '#contract'
import type { Outcome, Reply, TokenCount, VendorCost } from '#contract'
import { costOf, usdOf } from './amount.ts'
import { digitsOf } from './digits.ts'
import { callFor, type ShapeOptions } from './images-call.ts'
import { endOf, PartialImages, partialOf, withoutPartials } from './images-events.ts'
import { failureOf, isSuccess, submitFailure, type StatusTable } from './http-status.ts'
import { imageSource, withoutRepeats } from './image-source.ts'
import { vendorFacts, withoutSecrets } from './scrub.ts'

const text = z.string().min(1).optional().catch(undefined)
const count = z.number().int().nonnegative().optional().catch(undefined)
const Details = z.looseObject({ text_tokens: count, image_tokens: count, cached_tokens: count }).optional().catch(undefined)
const Item = z.looseObject({
  url: text,
  b64_json: text,
  base64: text,
  revised_prompt: text,
  seed: z.union([z.number(), z.string()]).optional().catch(undefined),
})
const Body = z.looseObject({
  id: text,
  data: z.array(Item).optional().catch(undefined),
  usage: z
    .looseObject({ input_tokens: count, output_tokens: count, input_tokens_details: Details, output_tokens_details: Details })
    .optional()
    .catch(undefined),
})
type Body = z.infer<typeof Body>
const Problem = z.looseObject({
  message: text,
  /** What a relay says of the vendor behind it: why it was flagged, or that vendor's own body as a text. */
  metadata: z
    .looseObject({ raw: text, reasons: z.array(z.string()).optional().catch(undefined) })
    .optional()
    .catch(undefined),
  type: text,
  code: z.union([z.string(), z.number()]).nullish().catch(undefined),
  moderation_details: z
    .looseObject({ moderation_stage: text, categories: z.array(z.string()).optional().catch(undefined) })
    .optional()
    .catch(undefined),
})
type Problem = z.infer<typeof Problem>

const MODERATED = new Set(['moderation_blocked', 'content_policy_violation', 'content_filter'])
const NO_CREDIT = new Set(['insufficient_quota', 'insufficient_credits', 'billing_hard_limit_reached'])

const StreamOptions = z.strictObject({ partial_images: PartialImages })
const NoOptions: z.ZodType<ShapeOptions> = z.strictObject({})

/** The language of a vendor whose API has this shape. Its one call buys and delivers at once, so a reply that is lost cannot be asked for. */
export const imagesShape = (title: string, shape: ImagesShape, id: string): Adapter<ShapeOptions> => ({
  options: shape.stream ? StreamOptions : NoOptions,
  translate: (order) => ({ call: callFor(order, shape), warnings: withoutPartials(id, order) }),
  interpret: (reply, call) => interpret(title, shape, reply, call),
  ...(shape.stream ? { partial: partialOf } : {}),
})

function interpret(title: string, shape: ImagesShape, reply: Reply, call: Call): Outcome {
  const end = endOf(reply)
  if (!isSuccess(reply)) {
    const whole = end === null || end.kind === 'nothing' ? reply : end.reply
    return { kind: 'failed', failure: refusalOf(title, whole, statusesOf(shape)) }
  }
  switch (end?.kind) {
    case 'error':
      return brokenOff(title, shape, end.reply)
    case 'nothing': {
      const message = `${title} began to answer and sent no image; it may have been bought`
      return { kind: 'refused', failure: failureOf(reply, {}, { code: 'bad_reply', message, billed: 'unknown' }) }
    }
    case 'reply':
    case undefined: {
      const whole = end?.reply ?? reply
      return failedAfterAll(title, shape, whole) ?? delivered(title, shape, whole, call)
    }
  }
}

/** An error after a good beginning: only of a prompt that was refused is it known that nothing was bought. */
function brokenOff(title: string, shape: ImagesShape, reply: Reply): Outcome {
  const failure = refusalOf(title, { ...reply, status: 502 }, statusesOf(shape))
  const isModerated = failure.code === 'moderated'
  const message = isModerated ? failure.message : `${title} began to answer and ended in an error`
  const billed = isModerated && failure.stage === 'request' ? false : 'unknown'
  return { kind: 'failed', failure: { ...failure, message, billed, provider_status: reply.status } }
}

function delivered(title: string, shape: ImagesShape, reply: Reply, call: Call): Outcome {
  const body = Body.safeParse(reply.body).data
  const images = (body?.data ?? []).flatMap((item) => imageOf(item, reply.url ?? call.url))
  const cost = body && chargeOf(body, shape)
  const said = { ...(cost ? { cost } : {}), ...(body?.id === undefined ? {} : { taskId: body.id }), ...vendorFacts({ usage: body?.usage }) }
  if (images.length === 0) {
    const message = `${title} answered without an image that can be read; it may have been bought`
    return { kind: 'failed', failure: failureOf(reply, {}, { code: 'bad_reply', message, billed: 'unknown' }), ...said }
  }
  const promptUsed = body?.data?.find((item) => item.revised_prompt !== undefined)?.revised_prompt
  const distinct = withoutRepeats(images, ({ source }) => [source.kind === 'url' ? source.url : source.data])
  const failures = missingOf(title, reply, call, distinct.length)
  return { kind: 'done', images: distinct, ...failures, ...said, ...(promptUsed === undefined ? {} : { promptUsed }) }
}

/** A failure for each image that was ordered and did not come: the reply does not say why, and the whole call may be billed. */
function missingOf(title: string, reply: Reply, { body, form }: Call, came: number): { readonly failures?: readonly Failure[] } {
  const text = form?.find((part) => part.name === 'n' && 'value' in part)
  const ordered = Number(text && 'value' in text ? text.value : (z.looseObject({ n: count }).safeParse(body).data?.n ?? 1))
  const message = `${title} delivered ${came} of the ${ordered} images that were ordered`
  const failure = failureOf(reply, {}, { code: 'bad_reply', message, billed: 'unknown' })
  return came >= ordered ? {} : { failures: Array.from({ length: ordered - came }, () => failure) }
}

/** An error inside a reply that succeeds, as where trouble came while the image was drawn: what it cost is unknown. Null where there is none. */
function failedAfterAll(title: string, shape: ImagesShape, reply: Reply): Outcome | null {
  const error = z.looseObject({ error: z.looseObject({ code: z.unknown() }), data: z.never().optional() }).safeParse(reply.body).data?.error
  if (error === undefined) return null
  const status = Number(error.code)
  const isStatus = Number.isInteger(status) && status >= 400 && status < 600
  const failure = refusalOf(title, { ...reply, status: isStatus ? status : 502 }, statusesOf(shape))
  return { kind: 'failed', failure: { ...failure, provider_status: reply.status, billed: 'unknown' } }
}

function imageOf({ url, b64_json, base64, seed: said }: z.infer<typeof Item>, base: string): readonly ImageRef[] {
  const inline = b64_json ?? base64
  const source =
    imageSource(url, base) ?? (inline === undefined ? null : (imageSource(inline) ?? { kind: 'base64' as const, data: inline }))
  const seed = digitsOf(said)
  return source === null ? [] : [{ source, ...(seed === undefined ? {} : { seed }) }]
}

/** The charge where the reply says one, else the tokens it counted. */
function chargeOf(body: Body, { cost: { pointer, unit, usd_per_unit: worth } }: ImagesShape): VendorCost | undefined {
  const value = pointer === undefined ? (valueAt(body, '/usage/cost') ?? valueAt(body, '/cost')) : valueAt(body, pointer)
  if (unit === 'none') return tokensOf(body)
  if (worth === undefined) return costOf(value, { shift: unit === 'cents' ? -2 : 0 }) ?? tokensOf(body)
  const units = usdOf(value)
  if (units === null || units.startsWith('-')) return tokensOf(body)
  return { amount: amountForUnits(worth, units), raw: value ?? null }
}

/** The tokens that a reply counted in `usage`; undefined where it counted none. */
export const tokensIn = (body: Json): VendorCost | undefined => tokensOf(Body.safeParse(body).data ?? {})

/** Output tokens without details are all of images, input tokens all of text. */
function tokensOf({ usage }: Body): VendorCost | undefined {
  if (usage?.output_tokens === undefined) return undefined
  const { input_tokens_details: input, output_tokens_details: output } = usage
  const cached = input?.cached_tokens ?? 0
  const image = input?.image_tokens ?? 0
  const tokens: TokenCount = {
    text_input: Math.max(0, (input?.text_tokens ?? (usage.input_tokens ?? 0) - image) - cached),
    image_input: image,
    cached_input: cached,
    image_output: output?.image_tokens ?? usage.output_tokens - (output?.text_tokens ?? 0),
    text_output: output?.text_tokens ?? 0,
  }
  return { tokens, raw: vendorFacts({ usage }).vendor?.['usage'] ?? null }
}

/** Behind a relay an outage says nothing of what its own vendor did. */
const BEHIND_A_RELAY: StatusTable = { 503: { billed: 'unknown' }, 529: { code: 'provider_unavailable', billed: 'unknown' } }

const statusesOf = ({ unbilled_statuses: unbilled }: ImagesShape): StatusTable => ({
  ...BEHIND_A_RELAY,
  ...Object.fromEntries(unbilled.map((status) => [status, { ...BEHIND_A_RELAY[status], billed: false }])),
})

function refusalOf(title: string, reply: Reply, statuses: StatusTable): Failure {
  const problem = problemOf(reply)
  const said = problem?.code === undefined || problem.code === null ? problem?.type : String(problem.code)
  const code = said === undefined ? null : withoutSecrets(said)
  const words = { title, code, message: problem?.message === undefined ? null : withoutSecrets(problem.message), statuses }
  if (code !== null && NO_CREDIT.has(code))
    return failureOf(reply, words, {
      code: 'insufficient_credit',
      message: `${title} says that the account has too little credit`,
      billed: false,
    })
  const behind = verdictBehind(problem)
  if (behind === null && (code === null || !MODERATED.has(code))) return submitFailure(reply, words)
  const stage = behind ?? problem?.moderation_details?.moderation_stage
  const isOutput = stage === 'output'
  const message = isOutput ? `${title}’s moderation withheld the finished image` : `${title}’s moderation refused the request`
  return {
    ...failureOf(reply, words, { code: 'moderated', message, billed: isOutput || stage === 'unknown' ? 'unknown' : false }),
    // Where the vendor says that it does not know the stage, an image may have been made.
    ...(stage === 'unknown' ? {} : { stage: isOutput ? ('output' as const) : ('request' as const) }),
    reasons: (problem?.moderation_details?.categories ?? problem?.metadata?.reasons ?? []).map(withoutSecrets),
  }
}

/** The stage at which a vendor behind a relay moderated: the relay gives reasons for its input, or hands out that vendor's status word. */
function verdictBehind(problem: Problem | undefined): 'input' | 'output' | null {
  const { raw = '', reasons = [] } = problem?.metadata ?? {}
  if (/"status"\s*:\s*"Content Moderated"/.test(raw)) return 'output'
  return reasons.length > 0 || /"status"\s*:\s*"Request Moderated"/.test(raw) ? 'input' : null
}

/** A text, or a list of what is wrong. */
const Detail = z.looseObject({ detail: z.union([z.string(), z.array(z.looseObject({ msg: z.string() }))]) })

/** `{ error: { message, code } }`, `{ error: "…" }`, `{ message, code }`, or the `{ detail }` of FastAPI. */
function problemOf({ body }: Reply): Problem | undefined {
  const error = z.looseObject({ error: z.unknown() }).safeParse(body).data?.error ?? body
  if (typeof error === 'string') return { message: error }
  const detail = Detail.safeParse(error).data?.detail
  if (detail === undefined) return Problem.safeParse(error).data
  return { message: typeof detail === 'string' ? detail : detail.map(({ msg }) => msg).join('; ') }
}
