import { z } from 'zod'

/**
 * What the emulator accepts, written from the vendor's pages and not from the adapter's tables, so that a mistake in one shows in
 * the other. https://doc.vtrix.ai/docs/api/blackforestlabs/flux-2-pro and …/flux-pro-11, 2026-11-21. Refusing unknown fields is
 * stricter than anything documented.
 */
const side = (min: number, max: number) => z.int().min(min).max(max).multipleOf(32).optional()
const Base64 = z.string().regex(/^[A-Za-z0-9+/]+={0,2}$/, 'not base64 image data')
const UrlOrBase64 = z.union([z.string().regex(/^https?:\/\/\S+$/), Base64], { error: 'neither a URL nor base64 image data' }).optional()
const OutputFormat = z.enum(['jpeg', 'png']).default('jpeg')

/** The upstream's limit; the vendor's page has none. It also bounds what this emulator has to draw. */
const MOST_PIXELS = 4_194_304
const DEFAULT_SIDE = 1024

const Flux2Pro = z
  .strictObject({
    prompt: z.string().min(1),
    input_image: UrlOrBase64,
    input_image_2: UrlOrBase64,
    input_image_3: UrlOrBase64,
    input_image_4: UrlOrBase64,
    input_image_5: UrlOrBase64,
    input_image_6: UrlOrBase64,
    input_image_7: UrlOrBase64,
    input_image_8: UrlOrBase64,
    seed: z.int().optional(),
    width: side(64, 65_536),
    height: side(64, 65_536),
    safety_tolerance: z.enum(['1', '2', '3', '4', '5', '6'], { error: 'must be a string, "1" to "6"' }).optional(),
    output_format: OutputFormat,
  })
  .refine(({ width = DEFAULT_SIDE, height = DEFAULT_SIDE }) => width * height <= MOST_PIXELS, {
    path: ['width'],
    error: `more than ${MOST_PIXELS} pixels`,
  })

const FluxPro11 = z.strictObject({
  prompt: z.string().min(1),
  image_prompt: Base64.optional(),
  width: side(256, 1440),
  height: side(256, 1440),
  prompt_upsampling: z.boolean().optional(),
  seed: z.int().optional(),
  safety_tolerance: z.int().min(0).max(6).optional(),
  output_format: OutputFormat,
})

const Body = z.strictObject(
  {
    model: z.enum(['flux_2_pro', 'flux_pro_11']),
    input: z.array(z.strictObject({ params: z.record(z.string(), z.json()) })).length(1),
  },
  { error: (issue) => (issue.code === 'unrecognized_keys' ? `parameters belong in input[0].params: ${issue.keys.join(', ')}` : undefined) },
)

export interface Submitted {
  readonly model: 'flux_2_pro' | 'flux_pro_11'
  readonly prompt: string
  readonly width: number
  readonly height: number
  readonly seed: number | undefined
  readonly format: 'jpeg' | 'png'
}

/** A submit body as the vendor would read it, or the sentence it is refused with. */
export function readSubmitBody(body: unknown): Submitted | { readonly refusal: string } {
  const outer = Body.safeParse(body)
  if (!outer.success) return { refusal: sentence(outer.error) }
  const { model, input } = outer.data
  const params = (model === 'flux_2_pro' ? Flux2Pro : FluxPro11).safeParse(input[0]?.params)
  if (!params.success) return { refusal: sentence(params.error) }
  const { prompt, width = DEFAULT_SIDE, height = DEFAULT_SIDE, seed, output_format } = params.data
  return { model, prompt, width, height, seed, format: output_format }
}

const sentence = (error: z.ZodError): string =>
  error.issues.map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message}`).join('; ')
