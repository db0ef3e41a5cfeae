import { side, slots, webhook } from './endpoint.ts'
import type { Endpoint } from './endpoint.ts'
import { boolean, integer, nullable, number, oneOf, seed, string } from './validators.ts'
import type { Check } from './validators.ts'

/** FLUX.2, by https://api.bfl.ai/openapi.json: [pro] and [flex] as read on 2026-11-21, the others as published on 2026-05-01. */

/** What BFL's own SDK sends besides (https://github.com/black-forest-labs/blackforest, read 2026-11-21). */
const transparentBackground = { transparent_bg: boolean } as const
/** WebP is taken at [pro] alone. */
const plainFormats = nullable(oneOf(['jpeg', 'png']))

/** What stands behind the slots of the images. */
const behindSlots = (formats: Check) => ({
  seed: nullable(seed),
  width: side,
  height: side,
  safety_tolerance: integer({ min: 0, max: 5 }),
  output_format: formats,
  ...webhook,
})

const pro: Endpoint = {
  path: 'flux-2-pro',
  model: 'flux-2-pro',
  fields: {
    prompt: string,
    ...slots(8),
    ...behindSlots(nullable(oneOf(['jpeg', 'png', 'webp']))),
  },
  // `prompt_upsampling` is a field of the other endpoints, and sent to this one too by clients that know one body for all.
  extras: { prompt_upsampling: boolean, disable_pup: boolean, ...transparentBackground },
  defaults: { prompt_upsampling: true, safety_tolerance: 2, output_format: 'jpeg' },
  promptRequired: true,
}

const max: Endpoint = { ...pro, path: 'flux-2-max', model: 'flux-2-max', fields: { ...pro.fields, output_format: plainFormats } }

const flex: Endpoint = {
  path: 'flux-2-flex',
  model: 'flux-2-flex',
  fields: {
    prompt: string,
    prompt_upsampling: nullable(boolean),
    ...slots(8),
    input_image_blob_path: nullable(string),
    seed: nullable(seed),
    width: side,
    height: side,
    guidance: nullable(number({ min: 1.5, max: 10 })),
    steps: nullable(integer({ min: 1, max: 50 })),
    safety_tolerance: integer({ min: 0, max: 5 }),
    output_format: plainFormats,
    ...webhook,
  },
  extras: transparentBackground,
  defaults: { prompt_upsampling: true, guidance: 5, steps: 50, safety_tolerance: 2, output_format: 'jpeg' },
  promptRequired: true,
}

/** "Like Pro but max 4 images", and without a say on the rewriting of prompts. */
const klein = (size: '4b' | '9b'): Endpoint => ({
  path: `flux-2-klein-${size}`,
  model: `flux-2-klein-${size}`,
  fields: {
    prompt: string,
    ...slots(4),
    ...behindSlots(plainFormats),
  },
  extras: transparentBackground,
  defaults: { safety_tolerance: 2, output_format: 'jpeg' },
  promptRequired: true,
})

export const FLUX_2: readonly Endpoint[] = [pro, flex, max, klein('4b'), klein('9b')]
