import { bareNumber } from '#contract'
import { check, createImagesEmulator, json, perMegapixel, shaped, tieredModel } from '#sandbox'
import type { Checks, EmulatedModel, EmulatedPrice, WireReply } from '#sandbox'
import manifest from './manifest.json' with { type: 'json' }

const { fields, flag, list, oneOf, text, whole } = check
const MEDIA_TYPES = { jpeg: 'image/jpeg', png: 'image/png', webp: 'image/webp' } as const
const image = fields(
  { type: oneOf('image_url'), image_url: fields({ url: text(1) }, { required: ['url'] }) },
  { required: ['type', 'image_url'] },
)
const references = (most: number): Checks => ({ input_references: list(image, most) })
/** An unlisted parameter is answered 400. */
const COMMON: Checks = { model: text(1), n: whole({ min: 1, max: 1 }), stream: flag, user: text(), session_id: text(1, 256) }

const FLUX_2 = '1:1 4:3 3:4 3:2 2:3 16:9 9:16 21:9 auto'.split(' ')
const flux2 = (most: number, price: EmulatedPrice): EmulatedModel => ({
  schema: fields(
    {
      ...COMMON,
      ...references(most),
      prompt: text(1),
      aspect_ratio: oneOf(...FLUX_2),
      output_format: oneOf('png', 'jpeg'),
      seed: whole(),
    },
    { required: ['model', 'prompt'] },
  ),
  size: shaped(1024, '1:1'),
  price,
})

/** As `GET /api/v1/images/models/{id}/endpoints` lists them in reports of 2026-08-26 and 2026-10-02; see the notes of the manifest. */
const MODELS: Readonly<Record<string, EmulatedModel>> = {
  'black-forest-labs/flux.2-pro': flux2(8, perMegapixel('0.03', '0.015', '0.015')),
  'black-forest-labs/flux.2-flex': flux2(8, perMegapixel('0.06', '0.06', '0.06')),
  'black-forest-labs/flux.2-max': flux2(8, perMegapixel('0.07', '0.03', '0.03')),
  'black-forest-labs/flux.2-klein-4b': flux2(4, { flat: '0.014' }),
  'black-forest-labs/flux-3-image': tieredModel({
    ratios: 'auto 21:9 2:1 16:9 3:2 7:5 4:3 5:4 1:1 4:5 3:4 5:7 2:3 9:16 1:2 9:21'.split(' '),
    tiers: { '1K': [1024, '0.048'], '768': [768, '0.041'], '1.5K': [1536, '0.07'], '2K': [2048, '0.10'], '4K': [4096, '0.607'] },
    own: { ...COMMON, ...references(10) },
  }),
  // What is billed are tokens; these amounts are about what an image of its size comes to.
  'google/gemini-nano-banana-2.1': tieredModel({
    ratios: '1:1 1:4 1:8 2:3 3:2 3:4 4:1 4:3 4:5 5:4 8:1 9:16 16:9 21:9'.split(' '),
    tiers: { '1K': [1024, '0.0336'], '2K': [2048, '0.0504'], '4K': [4096, '0.0756'] },
    own: { ...COMMON, ...references(14) },
  }),
  'openai/gpt-image-2': tieredModel({
    ratios: ['1:1', '3:2', '2:3'],
    tiers: { '1K': [1024, '0.0431'] },
    own: {
      ...COMMON,
      ...references(16),
      quality: oneOf('auto', 'low', 'medium', 'high'),
      background: oneOf('auto', 'opaque'),
      output_format: oneOf('png', 'jpeg', 'webp'),
      output_compression: whole({ min: 0, max: 100 }),
    },
  }),
}

const problem = (code: number, message: string, metadata?: object): WireReply =>
  json(code, { error: { code, message, ...(metadata ? { metadata } : {}) }, user_id: 'user_sandbox' })
/** A refusal of the vendor behind: its own body, as a text. */
const behind = (status: string) => ({ provider_name: 'Black Forest Labs', raw: JSON.stringify({ id: 'sandbox', status, result: null }) })

const line = (billable: string, unit: string, cost: string, variant?: string) => ({
  billable,
  unit,
  cost_usd: bareNumber(cost),
  ...(variant === undefined ? {} : { variant }),
})
/** What is published of prices, in the words of the SDK's `imagePricingEntry`. How a dearer first megapixel stands there is on no page. */
const PRICING: Readonly<Record<string, readonly object[]>> = {
  'flux.2-pro': [line('output_image', 'megapixel', '0.03'), line('input_image', 'megapixel', '0.015')],
  'flux.2-flex': [line('output_image', 'megapixel', '0.06'), line('input_image', 'megapixel', '0.06')],
  'flux.2-max': [line('output_image', 'megapixel', '0.07'), line('input_image', 'megapixel', '0.03')],
  'flux.2-klein-4b': [line('output_image', 'megapixel', '0.014')],
  'flux-3-image': Object.entries({ 768: '0.041', '1K': '0.048', '1.5K': '0.07', '2K': '0.1', '4K': '0.607' }).map(([tier, cost]) =>
    line('output_image', 'image', cost, tier),
  ),
  'gemini-nano-banana-2.1': [line('output_image', 'token', '0.00003'), line('input_text', 'token', '0.0000015')],
  'gpt-image-2': [line('output_image', 'token', '0.00003')],
}

/** The image API as @openrouter/sdk 1.3.19 and https://openrouter.ai/docs/guides/overview/multimodal/image-generation.md have it (2026-11-28). */
export const startEmulator = createImagesEmulator({
  provider: manifest.id,
  path: '/api/v1/images',
  typicalMs: 5000,
  routes: [
    {
      method: 'GET',
      path: '/api/v1/images/models/:author/:slug/endpoints',
      isOpen: true,
      answer: ({ params: { author = '', slug = '' } }) => {
        const pricing = PRICING[slug]
        if (pricing === undefined || !(`${author}/${slug}` in MODELS)) return problem(404, 'Model not found')
        const endpoint = { provider_name: author, provider_slug: author, provider_tag: null, supports_streaming: false }
        return json(200, {
          id: `${author}/${slug}`,
          endpoints: [{ ...endpoint, allowed_passthrough_parameters: [], supported_parameters: {}, pricing }],
        })
      },
    },
  ],
  models: MODELS,
  references: ['input_references'],
  problem,
  replies: {
    'no-credit': problem(402, 'Insufficient credits. Add more using https://openrouter.ai/settings/credits'),
    'unknown-model': problem(404, 'No endpoints found for this model.'),
    unavailable: problem(503, 'There is no available model provider that meets your routing requirements.'),
  },
  moderated: (isOutput) =>
    isOutput
      ? problem(502, 'Provider returned error', behind('Content Moderated'))
      : problem(403, 'Your chosen model requires moderation and your input was flagged.', {
          reasons: ['violence'],
          flagged_input: 'a brawl',
        }),
  item: (base64, { format }) => ({ b64_json: base64, media_type: MEDIA_TYPES[format] }),
  reply: ({ createdAt }, data, cost) => ({
    created: Math.floor(createdAt / 1000),
    data,
    usage: { prompt_tokens: 0, completion_tokens: 4175, total_tokens: 4175, cost: bareNumber(cost), is_byok: false },
  }),
})
