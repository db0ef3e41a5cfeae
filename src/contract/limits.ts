import { z } from 'zod'

/** Typed descriptors of what an offer takes. The same data judges a request, fills a form and is shown by GET /v1/models. */
export const Range = z
  .strictObject({
    type: z.literal('range'),
    min: z.number(),
    max: z.number(),
    step: z.number().positive().optional(),
    default: z
      .number()
      .nullable()
      .optional()
      .meta({ description: 'What the provider uses when nothing is sent; null where it does not say.' }),
  })
  .meta({ id: 'RangeLimit' })
export type Range = z.infer<typeof Range>

export const OutputFormat = z.enum(['jpeg', 'png', 'webp']).meta({ id: 'OutputFormat' })
export type OutputFormat = z.infer<typeof OutputFormat>

export const FormatChoice = z
  .strictObject({ type: z.literal('enum'), values: z.array(OutputFormat).min(1), default: OutputFormat })
  .meta({ id: 'FormatLimit' })

/** `settable: false` means the provider behaves as `default` says and offers no switch. `default: null`: it does not say. */
export const Toggle = z
  .strictObject({ type: z.literal('boolean'), default: z.boolean().nullable(), settable: z.boolean() })
  .meta({ id: 'ToggleLimit' })

export const SizeLimit = z
  .strictObject({
    width: Range,
    height: Range,
    max_pixels: z.number().int().positive().nullable(),
    required: z.boolean().meta({ description: 'The provider refuses a request without width and height.' }),
    follows_reference: z.boolean().meta({ description: 'Without a size, an edit comes back in the size of the first reference image.' }),
  })
  .meta({ id: 'SizeLimit' })
export type SizeLimit = z.infer<typeof SizeLimit>

/** How a provider takes a reference image. `base64` is the bare payload without `data:` prefix. */
export const ReferenceForm = z.enum(['url', 'data_uri', 'base64'])
export type ReferenceForm = z.infer<typeof ReferenceForm>

export const Limits = z
  .strictObject({
    prompt: z.strictObject({ min_chars: z.number().int().nonnegative(), max_chars: z.number().int().positive() }),
    size: SizeLimit,
    reference_images: z.strictObject({
      max: z.number().int().nonnegative(),
      forms: z.array(ReferenceForm),
      options: z.array(z.string()).optional().meta({
        description: 'Fields of this provider’s `provider_options` that name one more reference image each; it counts for `max` and price.',
      }),
    }),
    n: z.strictObject({ max: z.number().int().min(1) }).meta({ description: 'Images in one call; more are made by several calls.' }),
    seed: Range.nullable(),
    output_format: FormatChoice,
    output_quality: Range.nullable(),
    safety_tolerance: Range.nullable().meta({ description: '0 is strictest. A request is never made looser than it asked.' }),
    prompt_upsampling: Toggle,
    guidance: Range.nullable(),
    steps: Range.nullable(),
  })
  .meta({ id: 'Limits' })
export type Limits = z.infer<typeof Limits>
