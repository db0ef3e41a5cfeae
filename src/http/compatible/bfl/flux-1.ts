import { slots, webhook } from './endpoint.ts'
import type { Endpoint } from './endpoint.ts'
import { boolean, integer, nullable, number, oneOf, ratio, seed, string } from './validators.ts'

/** FLUX.1, by https://api.bfl.ai/openapi.json: 1.1 [pro] as read on 2026-11-21, the others as published on 2026-05-01. */

const side = integer({ min: 256, max: 1440, step: 32 })
const safety = integer({ min: 0, max: 6 })
const formats = nullable(oneOf(['jpeg', 'png']))

const pro: Endpoint = {
  path: 'flux-pro-1.1',
  model: 'flux-1.1-pro',
  fields: {
    prompt: nullable(string),
    image_prompt: nullable(string),
    width: side,
    height: side,
    prompt_upsampling: boolean,
    seed: nullable(seed),
    safety_tolerance: safety,
    output_format: formats,
    ...webhook,
  },
  defaults: { prompt: '', width: 1024, height: 768, prompt_upsampling: false, safety_tolerance: 2, output_format: 'jpeg' },
  promptRequired: false,
}

/** Its one resolution is 4 megapixels. */
const ultra: Endpoint = {
  path: 'flux-pro-1.1-ultra',
  model: 'flux-1.1-pro-ultra',
  fields: {
    prompt: nullable(string),
    prompt_upsampling: boolean,
    seed: nullable(seed),
    aspect_ratio: ratio,
    safety_tolerance: safety,
    output_format: formats,
    raw: boolean,
    image_prompt: nullable(string),
    image_prompt_strength: number({ min: 0, max: 1 }),
    ...webhook,
  },
  defaults: { prompt: '', prompt_upsampling: false, aspect_ratio: '16:9', safety_tolerance: 2, output_format: 'jpeg' },
  promptRequired: false,
  megapixels: () => 4,
}

/** Its one resolution is a megapixel; without a ratio the first image's is kept. */
const kontext = (rank: 'pro' | 'max'): Endpoint => ({
  path: `flux-kontext-${rank}`,
  model: `flux-kontext-${rank}`,
  fields: {
    prompt: string,
    ...slots(4),
    seed: nullable(seed),
    aspect_ratio: nullable(ratio),
    output_format: formats,
    ...webhook,
    prompt_upsampling: boolean,
    safety_tolerance: safety,
  },
  defaults: { prompt_upsampling: false, safety_tolerance: 2, output_format: 'png' },
  promptRequired: true,
  megapixels: () => 1,
})

export const FLUX_1: readonly Endpoint[] = [pro, ultra, kontext('pro'), kontext('max')]
