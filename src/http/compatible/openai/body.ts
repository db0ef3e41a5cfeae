import { z } from 'zod'
import { AnyJson, MAX_REFERENCE_IMAGES, requestFields } from '#contract'

/**
 * OpenAI's request bodies as the `openai` SDK 7.55.0 types them (node_modules/openai/resources/images.d.ts, read 2026-11-21), and the fields
 * of our own request that such a client can only add as extra body fields. OpenAI allows null wherever a field may be left out.
 */
const SIZE = /^(auto|[1-9]\d{0,4}x[1-9]\d{0,4})$/

const openaiFields = {
  model: requestFields.model,
  prompt: requestFields.prompt,
  n: requestFields.n.nullish(),
  size: z
    .string()
    .regex(SIZE, 'must be "auto" or WIDTHxHEIGHT in pixels, for example "1536x1024"')
    .nullish()
    .meta({ description: '"auto" or any WIDTHxHEIGHT; the nearest size the offer can make is used, with a warning.' }),
  quality: z.enum(['auto', 'standard', 'hd', 'low', 'medium', 'high', 'xhigh', 'max']).nullish(),
  output_format: requestFields.output_format.nullish(),
  output_compression: z
    .number()
    .int()
    .min(0)
    .max(100)
    .nullish()
    .meta({ description: 'Read as the encoder’s quality: 100, the default, asks for nothing; below 20 becomes 20.' }),
  response_format: z
    .enum(['url', 'b64_json'])
    .nullish()
    .meta({ description: 'Default: `url` for generations; both `url` and `b64_json` for edits and for any model named `gpt-image-…`.' }),
  stream: z.boolean().nullish().meta({ description: 'Server-Sent Events; the images come as `….completed` events, one for each.' }),
  partial_images: z.number().int().min(0).max(3).nullish(),
  background: z.enum(['transparent', 'opaque', 'auto']).nullish(),
  moderation: z.enum(['low', 'auto']).nullish(),
  complexity: z.enum(['low', 'medium', 'high']).nullish(),
  frame_count: z.number().int().nullish(),
  frame_duration_ms: z.number().int().nullish(),
  user: z.string().max(512).nullish().meta({ description: 'Kept as `metadata.user`; never sent to a provider.' }),
  safety_identifier: z.string().max(512).nullish().meta({ description: 'Kept as `metadata.safety_identifier`.' }),
} as const

/** Fields of our own request that keep their name and meaning. */
const extraFields = {
  width: requestFields.width.nullish(),
  height: requestFields.height.nullish(),
  aspect_ratio: requestFields.aspect_ratio.nullish(),
  megapixels: requestFields.megapixels.nullish(),
  reference_images: requestFields.reference_images.nullish(),
  mask: requestFields.mask.nullish(),
  seed: requestFields.seed.nullish(),
  output_quality: requestFields.output_quality.nullish(),
  safety_tolerance: requestFields.safety_tolerance.nullish(),
  prompt_upsampling: requestFields.prompt_upsampling.nullish(),
  guidance: requestFields.guidance.nullish(),
  steps: requestFields.steps.nullish(),
  provider: requestFields.provider.nullish(),
  on_unsupported: requestFields.on_unsupported.nullish(),
  provider_options: z.record(z.string(), z.record(z.string(), AnyJson)).nullish(),
  metadata: requestFields.metadata.nullish(),
} as const

/** Names that pass through unchanged where they are given. */
export const EXTRA_FIELDS = Object.keys(extraFields) as readonly (keyof typeof extraFields)[]

const generationOnly = {
  style: z.enum(['vivid', 'natural']).nullish(),
  svg: z.record(z.string(), AnyJson).nullish(),
} as const

const editOnly = { input_fidelity: z.enum(['high', 'low']).nullish() } as const

export const GenerationBody = z
  .strictObject({ ...openaiFields, ...generationOnly, ...extraFields })
  .meta({ id: 'OpenaiGenerationBody', description: 'OpenAI’s body, and the extra fields of this gateway.' })
export type GenerationBody = z.infer<typeof GenerationBody>

/** The fields of an edit, without its files. */
export const EditBody = z.strictObject({ ...openaiFields, ...editOnly, ...extraFields })
export type EditBody = z.infer<typeof EditBody>

/** The form as it is documented; it is read part by part, not validated as one. */
export const EditForm = z
  .object({
    image: z.union([z.file(), z.array(z.file()).max(MAX_REFERENCE_IMAGES)]).meta({
      description: 'One file, or several as `image[]`; PNG, JPEG or WebP. A text field with a `data:` URI or an https URL is taken too.',
    }),
    ...openaiFields,
    ...editOnly,
    ...extraFields,
    mask: z.file().optional().meta({ description: 'PNG or WebP of the first image’s size; what is transparent is repainted.' }),
  })
  .meta({ id: 'OpenaiEditForm', description: 'multipart/form-data. A `markup` is refused.' })

/** Each field of either body. */
export type AnyBody = GenerationBody & EditBody
