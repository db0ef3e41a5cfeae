import { z } from 'zod'
import { amountForUnits, valueAt, type Adapter, type Call, type Failure, type ImageRef, type ImagesShape, type Json } from '#contract'
import type { Outcome, Reply, TokenCount, VendorCost } from '#contract'
import { costOf, isCharge } from './amount.ts'
import { digitsOf } from './digits.ts'
import { callFor, type ShapeOptions } from './images-call.ts'
import { endOf, PartialImages, partialOf, withoutPartials } from './images-events.ts'
import { failureOf, isSuccess } from './http-status.ts'
import { refusalOf, statusOfError } from './images-errors.ts'
import { imageSource, withoutRepeats } from './image-source.ts'
import { vendorFacts } from './scrub.ts'

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
  // An entry that is no object is an image that did not come; those beside it did.
  data: z.array(Item.catch({})).optional().catch(undefined),
  usage: z
    .looseObject({ input_tokens: count, output_tokens: count, input_tokens_details: Details, output_tokens_details: Details })
    .optional()
    .catch(undefined),
})
type Body = z.infer<typeof Body>

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
    const came = delivered(title, shape, whole, call)
    // Whatever its status, a reply that brings images is no refusal.
    return came.kind === 'done' ? came : failedWith(refusalOf(title, whole, shape), whole, shape)
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
  const failure = refusalOf(title, { ...reply, status: 502 }, shape)
  const isModerated = failure.code === 'moderated'
  const message = isModerated ? failure.message : `${title} began to answer and ended in an error`
  const billed = isModerated && failure.stage === 'request' ? false : 'unknown'
  return failedWith({ ...failure, message, billed, provider_status: reply.status }, reply, shape)
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
  const status = statusOfError(reply, shape)
  if (status === null) return null
  const failure = refusalOf(title, { ...reply, status }, shape)
  return failedWith({ ...failure, provider_status: reply.status, billed: 'unknown' }, reply, shape)
}

/** A failure with the charge that its reply names: then it was billed, also where moderation costs nothing elsewhere. A refusal of another kind names what it would have cost. */
function failedWith(failure: Failure, { body }: Reply, shape: ImagesShape): Outcome {
  const mayCost = failure.billed !== false || failure.code === 'moderated'
  const said = mayCost ? Body.safeParse(body).data : undefined
  const cost = said && chargeOf(said, shape)
  if (cost === undefined) return { kind: 'failed', failure }
  return { kind: 'failed', failure: isCharge(cost) ? { ...failure, billed: true } : failure, cost }
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
  // Units are written as amounts are.
  const units = costOf(value)
  return units === undefined ? tokensOf(body) : { amount: amountForUnits(worth, units.amount), raw: units.raw }
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
