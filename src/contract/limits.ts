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
  .strictObject({
    type: z.literal('enum'),
    values: z.array(OutputFormat).meta({ description: 'Empty where the provider offers no choice.' }),
    default: OutputFormat.nullable().meta({ description: 'Null where it does not say.' }),
  })
  .meta({ id: 'FormatLimit' })

/** Tiers of effort, the least first. */
export const Quality = z.enum(['low', 'medium', 'high']).meta({ id: 'Quality' })
export type Quality = z.infer<typeof Quality>

export const Background = z.enum(['opaque', 'transparent']).meta({ id: 'Background' })
export type Background = z.infer<typeof Background>

const QualityChoice = z
  .strictObject({
    type: z.literal('enum'),
    values: z.array(Quality).min(1),
    default: Quality.nullable().meta({ description: 'Null where it does not say.' }),
  })
  .meta({ id: 'QualityLimit' })

const BackgroundChoice = z
  .strictObject({ type: z.literal('enum'), values: z.array(Background).min(1), default: Background.nullable() })
  .meta({ id: 'BackgroundLimit' })

/** `settable: false` means the provider behaves as `default` says and offers no switch. `default: null`: it does not say. */
export const Toggle = z
  .strictObject({ type: z.literal('boolean'), default: z.boolean().nullable(), settable: z.boolean() })
  .meta({ id: 'ToggleLimit' })

/** Any width and height within the ranges, as far as the image as a whole stays within the pixels and the shape. */
export const RangeSize = z
  .strictObject({
    kind: z.literal('range'),
    width: Range,
    height: Range,
    min_pixels: z.number().int().positive().optional().meta({ description: 'Pixels an image has at least. Absent: no such bound.' }),
    max_pixels: z.number().int().positive().nullable(),
    max_ratio: z
      .number()
      .min(1)
      .optional()
      .meta({ description: 'The longer side is at most so many times the shorter one. Absent: no such bound.' }),
    required: z.boolean().meta({ description: 'The provider refuses a request without width and height.' }),
    follows_reference: z.boolean().meta({ description: 'Without a size, an edit comes back in the size of the first reference image.' }),
  })
  .meta({ id: 'RangeSizeLimit' })
export type RangeSize = z.infer<typeof RangeSize>

/** Width and height by a colon, which may have decimals: `21:9`, `2.35:1`. */
const Ratio = z.string().regex(/^[1-9]\d{0,3}(\.\d{1,3})?:[1-9]\d{0,3}(\.\d{1,3})?$/, 'two numbers joined by a colon, for example "16:9"')

export const SizeTier = z
  .strictObject({
    name: z.string().min(1).meta({ description: 'The provider’s own word, such as "2k".' }),
    megapixels: z.number().positive().meta({ description: 'About how many, of 1,048,576 pixels, an image of this tier has.' }),
    pixels: z
      .record(Ratio, z.strictObject({ width: z.number().int().positive(), height: z.number().int().positive() }))
      .optional()
      .meta({ description: 'By aspect ratio: the exact size, where the provider publishes it.' }),
  })
  .meta({ id: 'SizeTier' })
export type SizeTier = z.infer<typeof SizeTier>

/** One of a list of shapes and one of a list of resolutions, instead of pixels. */
export const TierSize = z
  .strictObject({
    kind: z.literal('tier'),
    aspect_ratios: z.array(Ratio).min(1),
    tiers: z.array(SizeTier).min(1),
    follows_reference: z.boolean().meta({ description: 'Without an aspect ratio, an edit has that of the first reference image.' }),
  })
  .meta({ id: 'TierSizeLimit' })
export type TierSize = z.infer<typeof TierSize>

export const SizeLimit = z.discriminatedUnion('kind', [RangeSize, TierSize]).meta({ id: 'SizeLimit' })
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
    quality: QualityChoice.optional().meta({ description: 'Absent: it has no tiers of effort.' }),
    background: BackgroundChoice.optional().meta({ description: 'Absent: it has no choice of background.' }),
    mask: z.literal(true).optional().meta({ description: 'It repaints the transparent part of a mask. Absent: it takes none.' }),
  })
  .meta({ id: 'Limits' })
export type Limits = z.infer<typeof Limits>
