import { z } from 'zod'
import { Cost, OutputFormat, Warning } from '#contract'
import type { Generation } from '#contract'
import type { PartialView } from '../../../core/generation/watchers.ts'
import type { Wanted } from './to-request.ts'

/** OpenAI's answer. There is no `usage`: it counts tokens, and nothing here is sold by the token; the cost is in `x-imagegate-cost-usd`. */
export const ImagesResponse = z
  .object({
    created: z.number().int(),
    data: z.array(
      z.object({
        url: z.string().optional(),
        b64_json: z.string().optional(),
        revised_prompt: z.string().optional().meta({ description: 'Where the provider returns the prompt it really used.' }),
      }),
    ),
    output_format: OutputFormat.optional(),
    size: z.string().optional().meta({ description: 'As delivered, read from the images; absent where they differ.' }),
  })
  .meta({ id: 'OpenaiImagesResponse' })
export type ImagesResponse = z.infer<typeof ImagesResponse>

/** Which of OpenAI's two routes asks. */
export type Route = 'image_generation' | 'image_edit'

/**
 * The event that carries a finished image. OpenAI's types ask for `usage` in it, "for the GPT image models only"; it is left out,
 * as any number of tokens would be invented. `imagegate` says what the headers of an answer without a stream say.
 */
export const CompletedEvent = z.object({
  type: z.enum(['image_generation.completed', 'image_edit.completed']),
  b64_json: z.string(),
  background: z.literal('auto'),
  created_at: z.number().int(),
  output_format: OutputFormat.nullable(),
  quality: z.literal('auto'),
  size: z.string().nullable(),
  imagegate: z.object({
    generation_id: z.string(),
    provider: z.string().nullable(),
    url: z.string(),
    cost: Cost,
    warnings: z.array(Warning),
  }),
})
export type CompletedEvent = z.infer<typeof CompletedEvent>

/** The event that shows an image on its way. */
export const PartialImageEvent = CompletedEvent.omit({ type: true, imagegate: true }).extend({
  type: z.enum(['image_generation.partial_image', 'image_edit.partial_image']),
  partial_image_index: z.number().int().nonnegative(),
})
export type PartialImageEvent = z.infer<typeof PartialImageEvent>

/** Of an image on its way only its format is known. */
export const toPartialEvent = ({ at, index, format, base64 }: PartialView, route: Route): PartialImageEvent => ({
  type: `${route}.partial_image`,
  b64_json: base64,
  background: 'auto',
  created_at: Math.floor(at / 1_000),
  output_format: format,
  partial_image_index: index,
  quality: 'auto',
  size: null,
})

/** Whether the bytes go into the answer. Editors cannot ask for them: OpenAI's own models always send them. */
export const wantsBytes = (wanted: Wanted, route: Route): boolean =>
  wanted.stream || wanted.responseFormat === 'b64_json' || (wanted.responseFormat === null && (route === 'image_edit' || wanted.isGptImage))

/** Links are left out only where the caller asked for bytes and all are here. */
const wantsLink = (wanted: Wanted, base64: string | null | undefined): boolean => wanted.responseFormat !== 'b64_json' || !base64

/**
 * A succeeded generation as OpenAI's answer.
 * @param base64 the bytes of each image in order, null where they are not stored here; empty where no bytes are wanted
 */
export function toImagesResponse(generation: Generation, wanted: Wanted, base64: readonly (string | null)[]): ImagesResponse {
  const sizes = new Set(generation.images.map(sizeOf))
  const formats = new Set(generation.images.map((image) => image.format))
  const [size] = sizes
  const [format] = formats
  return {
    created: secondsOf(generation),
    data: generation.images.map((image, index) => ({
      ...(wantsLink(wanted, base64[index]) ? { url: image.url } : {}),
      ...(base64[index] ? { b64_json: base64[index] } : {}),
      ...(generation.prompt_used === null ? {} : { revised_prompt: generation.prompt_used }),
    })),
    ...(formats.size === 1 && format ? { output_format: format } : {}),
    ...(sizes.size === 1 && size ? { size } : {}),
  }
}

/** One event for each image whose bytes are here, in order. */
export function toCompletedEvents(generation: Generation, route: Route, base64: readonly (string | null)[]): readonly CompletedEvent[] {
  const { id, provider, cost, warnings } = generation
  return generation.images.flatMap((image, index) => {
    const bytes = base64[index]
    if (!bytes) return []
    return [
      {
        type: `${route}.completed` as const,
        b64_json: bytes,
        background: 'auto' as const,
        created_at: secondsOf(generation),
        output_format: image.format,
        quality: 'auto' as const,
        size: sizeOf(image),
        imagegate: { generation_id: id, provider, url: image.url, cost, warnings },
      },
    ]
  })
}

/** Said where bytes were asked for and are not stored here. */
export const linkInstead = (): Warning => ({
  code: 'unsupported',
  field: 'response_format',
  requested: 'b64_json',
  used: 'url',
  reason: 'the images are not stored here; the vendor’s links are returned',
})

const sizeOf = ({ width, height }: Generation['images'][number]): string | null =>
  width === null || height === null ? null : `${width}x${height}`

const secondsOf = ({ completed_at, created_at }: Generation): number => Math.floor(Date.parse(completed_at ?? created_at) / 1000)
