import { endOf, imagesShape, partialOf, vendorFacts } from '#adapter-kit'
import {
  ImagesShape,
  type Adapter,
  type Call,
  type FormPart,
  type Json,
  type JsonObject,
  type Outcome,
  type Reply,
  type Warning,
} from '#contract'
import manifest from './manifest.json' with { type: 'json' }
import { OpenAiOptions, Resolved, takes, type OptionName } from './wire.ts'

/**
 * References go as files of a form; what a reply costs is counted in tokens. HTTP 503 says that the engine took nothing on. One image is always
 * asked for as a stream: it takes minutes, and the beginning of the reply, with the request's id, proves that it was taken on.
 */
const shaped = imagesShape(
  manifest.title,
  ImagesShape.parse({ name: 'openai-images', references: 'multipart', stream: true, cost: { unit: 'none' }, unbilled_statuses: [503] }),
  manifest.id,
)

/** OpenAI: one call that buys and delivers. No recovery of a lost reply, no cancel, no balance: none is documented (2026-11-21). */
export const adapter: Adapter<OpenAiOptions> = {
  options: OpenAiOptions,

  translate(order) {
    const { partial_images, ...texts } = order.options
    const shapedCall = shaped.translate({ ...order, options: { partial_images } })
    const { call } = shapedCall
    const sent: [OptionName, string][] = []
    const warnings: Warning[] = [...shapedCall.warnings]
    for (const [name, value] of Object.entries(texts) as [OptionName, string | undefined][]) {
      if (value === undefined) continue
      const refusal = takes(name, value, { model: order.providerModel, isEdit: call.form !== undefined })
      if (refusal === null) sent.push([name, value])
      else warnings.push(ignored(name, value, refusal))
    }
    return { call: withTexts(call, sent), warnings }
  },

  begun: ({ headers }) => idIn(headers),
  partial: partialOf,
  interpret: (reply, call) => withFacts(shaped.interpret(reply, call), reply),
}

const ignored = (name: OptionName, requested: Json, reason: string): Warning => ({
  code: 'ignored_option',
  field: `provider_options.${manifest.id}.${name}`,
  requested,
  used: null,
  reason,
})

/** The call with further texts, in its body or as parts of its form, before the files. */
function withTexts(call: Call, texts: readonly (readonly [string, string])[]): Call {
  if (texts.length === 0) return call
  if (call.form === undefined) return { ...call, body: { ...(call.body as JsonObject), ...Object.fromEntries(texts) } }
  const isText = (part: FormPart): boolean => 'value' in part
  const parts = texts.map(([name, value]): FormPart => ({ name, value }))
  return { ...call, form: [...call.form.filter(isText), ...parts, ...call.form.filter((part) => !isText(part))] }
}

/** The request’s id, which the vendor’s own lists show. */
const idIn = (headers: Reply['headers']): { readonly taskId?: string } =>
  headers['x-request-id'] ? { taskId: headers['x-request-id'] } : {}

/** With what the vendor chose where the order left it the choice. */
function withFacts(outcome: Outcome, reply: Reply): Outcome {
  const end = endOf(reply)
  const { vendor } = vendorFacts({ ...Resolved.safeParse(end?.kind === 'reply' ? end.reply.body : reply.body).data })
  return {
    ...outcome,
    ...idIn(reply.headers),
    ...(vendor || outcome.vendor ? { vendor: { ...vendor, ...outcome.vendor } } : {}),
  }
}
