import { webhook } from './endpoint.ts'
import type { Endpoint } from './endpoint.ts'
import { boolean, integer, listOf, nullable, oneOf, string } from './validators.ts'

/** In megapixels of 1,048,576: https://docs.bfl.ai/flux_3/flux3_image_overview as others read it in October 2026. */
const RESOLUTIONS: Readonly<Record<string, number>> = { '768sq': 0.5625, '1k': 1, '1.5k': 2.25, '2k': 4, '4k': 16 }
const RATIOS = '21:9 2:1 16:9 3:2 7:5 4:3 5:4 1:1 4:5 3:4 5:7 2:3 9:16 1:2 9:21'.split(' ')

/**
 * FLUX 3 Image, by digests of https://docs.bfl.ai/api-reference/utility/generate-an-image-with-flux-3 of October 2026. It has neither pixels,
 * a seed nor formats, and searches the web before it draws unless `grounding` is off.
 */
export const FLUX_3: Endpoint = {
  path: 'flux-3-image',
  model: 'flux-3-image',
  fields: {
    prompt: string,
    images: nullable(listOf(string, 10)),
    aspect_ratio: nullable(oneOf(['auto', ...RATIOS])),
    resolution: nullable(oneOf(Object.keys(RESOLUTIONS))),
    grounding: nullable(boolean),
    safety_tolerance: integer({ min: 0, max: 4 }),
    version: nullable(oneOf(['latest'])),
    ...webhook,
  },
  defaults: { aspect_ratio: 'auto', resolution: '1k', safety_tolerance: 2 },
  promptRequired: true,
  megapixels: ({ resolution }) => (typeof resolution === 'string' ? RESOLUTIONS[resolution] : undefined) ?? 1,
}
