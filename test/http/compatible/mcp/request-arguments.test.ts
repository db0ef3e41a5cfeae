import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { requestSchema } from '#contract'
import { bodyOf, imageArguments } from '../../../../src/http/compatible/mcp/request-arguments.ts'

const Arguments = z.strictObject(imageArguments)
const Request = requestSchema({ acme: z.strictObject({ tone: z.string().optional() }) })

const names = fc.array(fc.constantFrom('acme', 'zenith', 'north'), { minLength: 1, maxLength: 3 })
const size = fc.oneof(
  fc.constant({}),
  fc.record({ width: fc.integer({ min: 1, max: 65_536 }), height: fc.integer({ min: 1, max: 65_536 }) }),
  fc.record({ aspect_ratio: fc.constantFrom('1:1', '16:9'), megapixels: fc.constantFrom(0.5, 1, 4) }, { requiredKeys: ['aspect_ratio'] }),
)
const rest = fc.record(
  {
    model: fc.constantFrom('flux-2-pro', 'acme/flux-2-pro'),
    prompt: fc.string({ minLength: 1, maxLength: 200 }).map((text) => `a${text}`),
    reference_images: fc.array(
      fc.oneof(
        fc.constantFrom('https://x.test/a.png', 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUg=='),
        fc.record({ image: fc.stringMatching(/^img_[a-f0-9]{32}$/) }),
      ),
      { maxLength: 10 },
    ),
    seed: fc.maxSafeNat(),
    n: fc.integer({ min: 1, max: 20 }),
    output_format: fc.constantFrom('jpeg', 'png', 'webp'),
    output_quality: fc.integer({ min: 20, max: 99 }),
    safety_tolerance: fc.integer({ min: 0, max: 6 }),
    prompt_upsampling: fc.boolean(),
    guidance: fc.double({ min: 1.5, max: 10, noNaN: true }),
    steps: fc.integer({ min: 1, max: 50 }),
    provider: fc.record(
      { order: names, only: names, ignore: names, sort: fc.constantFrom('price', 'latency'), allow_fallbacks: fc.boolean() },
      { requiredKeys: ['allow_fallbacks'] },
    ),
    on_unsupported: fc.constantFrom('adapt', 'reject'),
    provider_options: fc.constant({ acme: { tone: 'warm' } }),
    metadata: fc.dictionary(fc.constantFrom('order', 'team'), fc.string({ maxLength: 20 })),
  },
  { requiredKeys: ['model', 'prompt'] },
)
const request = fc.tuple(rest, size).map(([fields, pixels]) => ({ ...fields, ...pixels }))

/** How an agent says a request of ours: a stored image is its id alone. */
const asArguments = ({ reference_images, ...fields }: z.infer<typeof Request>) => ({
  ...fields,
  ...(reference_images && { reference_images: reference_images.map((image) => (typeof image === 'string' ? image : image.image)) }),
})

describe('the arguments of a tool', () => {
  test('say every request they can say, and it comes back as the same', () => {
    fc.assert(
      fc.property(request, (ours) => {
        const body = bodyOf(Arguments.parse(asArguments(ours)), null)
        expect(body).toEqual(ours)
        expect(Request.parse(body)).toEqual(ours)
      }),
    )
  })

  test('with a ceiling say the same request, held to it', () => {
    fc.assert(
      fc.property(request, fc.constantFrom('0', '0.10', '12.5'), (ours, ceiling) => {
        const body = Request.parse(bodyOf(Arguments.parse(asArguments(ours)), ceiling))
        expect(body).toEqual({ ...ours, provider: { ...ours.provider, max_price_usd: ceiling } })
      }),
    )
  })

  test('are every field of a request but the webhook: an agent has no address to be called at', () => {
    const { webhook: _, ...fields } = Request.shape
    expect(Object.keys(imageArguments).toSorted()).toEqual(Object.keys(fields).toSorted())
  })
})
