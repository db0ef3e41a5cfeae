import { isSuccess, vendorFacts } from '#adapter-kit'
import {
  parseDataUri,
  type Adapter,
  type Json,
  type Order,
  type Outcome,
  type Reply,
  type TokenCount,
  type VendorCost,
  type Warning,
} from '#contract'
import { refused, withoutImage } from './failures.ts'
import manifest from './manifest.json' with { type: 'json' }
import { Answer, GeminiOptions, HARM_CATEGORIES, type Usage } from './wire.ts'

/** Gemini: one call of generateContent that buys and delivers. No recovery, no cancel, no balance: none is documented (2026-11-21). */
export const adapter: Adapter<GeminiOptions> = {
  options: GeminiOptions,

  translate(order) {
    const { thinking_level: level } = order.options
    const isIgnored = level !== undefined && !THINKERS.has(order.providerModel)
    const body = {
      contents: [{ role: 'user', parts: [{ text: order.prompt }, ...order.references.map(partOf)] }],
      generationConfig: configOf(order, isIgnored ? undefined : level),
      ...safetyOf(order.options),
    }
    const url = `/v1beta/models/${order.providerModel}:generateContent`
    return { call: { purpose: 'submit', method: 'POST', url, body }, warnings: isIgnored ? [ignored(order.providerModel, level)] : [] }
  },

  interpret(reply) {
    const came = delivered(reply)
    // Whatever its status, a reply that brings an image is no refusal.
    return isSuccess(reply) || came.kind === 'done' ? came : { kind: 'failed', failure: refused(reply) }
  },
}

const THINKERS: ReadonlySet<string> = new Set(['gemini-nano-banana-2.1'])
/** They have one resolution, and no field for it. */
const SINGLE: ReadonlySet<string> = new Set(['gemini-2.5-flash-image'])

const ignored = (model: string, requested: string): Warning => ({
  code: 'ignored_option',
  field: `provider_options.${manifest.id}.thinking_level`,
  requested,
  used: null,
  reason: `No level of thinking is documented for ${model}; none is sent.`,
})

/** The bytes of a data URI and what they are. */
function partOf(reference: string): Json {
  const parts = parseDataUri(reference)
  const data = parts?.data.kind === 'base64' ? parts.data.payload : reference
  return { inlineData: { mimeType: parts?.label || 'image/png', data } }
}

function configOf({ tier, seed, providerModel }: Order, level: string | undefined): Json {
  const size = tier === undefined || SINGLE.has(providerModel) ? {} : { imageSize: tier.name }
  const image = { ...(tier?.aspectRatio === undefined ? {} : { aspectRatio: tier.aspectRatio }), ...size }
  return {
    responseModalities: ['IMAGE'],
    ...(Object.keys(image).length === 0 ? {} : { imageConfig: image }),
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(level === undefined ? {} : { thinkingConfig: { thinkingLevel: level.toUpperCase() } }),
  }
}

const safetyOf = ({ safety_threshold: threshold }: GeminiOptions): { readonly safetySettings?: Json } =>
  threshold === undefined ? {} : { safetySettings: HARM_CATEGORIES.map((category) => ({ category, threshold })) }

function delivered(reply: Reply): Outcome {
  const answer = Answer.safeParse(reply.body).data ?? {}
  const parts = (answer.candidates ?? []).flatMap(({ content }) => content?.parts ?? [])
  // Interim images of its thinking are not what was ordered.
  const payloads = parts.flatMap(({ inlineData, thought }) => (thought === true ? [] : (inlineData?.data ?? [])))
  const cost = answer.usageMetadata && costOf(answer.usageMetadata, payloads.length > 0)
  const said = {
    ...(cost ? { cost } : {}),
    ...(answer.responseId === undefined ? {} : { taskId: answer.responseId }),
    ...vendorFacts({ model_version: answer.modelVersion, usage: answer.usageMetadata }),
  }
  if (payloads.length === 0) return { kind: 'failed', failure: withoutImage(reply, answer, parts), ...said }
  return { kind: 'done', images: [...new Set(payloads)].map((data) => ({ source: { kind: 'base64', data } })), ...said }
}

/**
 * Thoughts count as text of the output. Without details all that was drawn counts as an image, and all input as text. Where something was
 * drawn and no count of it can be read, the rest is not the cost.
 */
function costOf(usage: Usage, hasDrawn: boolean): VendorCost | undefined {
  const { promptTokenCount: input, candidatesTokenCount: output, thoughtsTokenCount: thoughts = 0 } = usage
  if (input === undefined && output === undefined && thoughts === 0) return undefined
  if (hasDrawn && output === undefined && tokensOf(usage.candidatesTokensDetails, 'IMAGE') === undefined) return undefined
  const inputImages = Math.min(tokensOf(usage.promptTokensDetails, 'IMAGE') ?? 0, input ?? 0)
  const cached = Math.min(usage.cachedContentTokenCount ?? 0, (input ?? 0) - inputImages)
  const drawn = Math.min(tokensOf(usage.candidatesTokensDetails, 'IMAGE') ?? output ?? 0, output ?? Number.MAX_SAFE_INTEGER)
  const tokens: TokenCount = {
    text_input: (input ?? 0) - inputImages - cached + (usage.toolUsePromptTokenCount ?? 0),
    image_input: inputImages,
    cached_input: cached,
    image_output: drawn,
    text_output: (output ?? drawn) - drawn + thoughts,
  }
  return { tokens, raw: vendorFacts({ usage }).vendor?.['usage'] ?? null }
}

/** Undefined where there are no details at all. */
const tokensOf = (details: Usage['promptTokensDetails'], modality: string): number | undefined =>
  details === undefined || details.length === 0
    ? undefined
    : details.reduce((sum, each) => sum + (each.modality === modality ? (each.tokenCount ?? 0) : 0), 0)
