import { imagesShape, vendorFacts } from '#adapter-kit'
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

/** References go as files of a form; what a reply costs is counted in tokens. HTTP 503 says that the engine took nothing on. */
const shaped = imagesShape(
  manifest.title,
  ImagesShape.parse({ name: 'openai-images', references: 'multipart', cost: { unit: 'none' }, unbilled_statuses: [503] }),
)

/** OpenAI: one call that buys and delivers. No recovery of a lost reply, no cancel, no balance: none is documented (2026-11-21). */
export const adapter: Adapter<OpenAiOptions> = {
  options: OpenAiOptions,

  translate(order) {
    const { call } = shaped.translate({ ...order, options: {} })
    const sent: [OptionName, string][] = []
    const warnings: Warning[] = []
    for (const [name, value] of Object.entries(order.options) as [OptionName, string | undefined][]) {
      if (value === undefined) continue
      const refusal = takes(name, value, { model: order.providerModel, isEdit: call.form !== undefined })
      if (refusal === null) sent.push([name, value])
      else warnings.push(ignored(name, value, refusal))
    }
    return { call: withTexts(call, sent), warnings }
  },

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

/** The request’s id, which the vendor’s own lists show, and what it chose where the order left it the choice. */
function withFacts(outcome: Outcome, { headers, body }: Reply): Outcome {
  const id = headers['x-request-id']
  const { vendor } = vendorFacts({ ...Resolved.safeParse(body).data })
  return {
    ...outcome,
    ...(id ? { taskId: id } : {}),
    ...(vendor || outcome.vendor ? { vendor: { ...vendor, ...outcome.vendor } } : {}),
  }
}
