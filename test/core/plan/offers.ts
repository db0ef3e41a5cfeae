import type { Limits, Offer, PriceRule, RangeSize } from '#contract'
import type { Reference } from '../../../src/core/records.ts'
import type { PlannedRequest } from '../../../src/core/plan/finding.ts'
import type { Candidate, PlanInput } from '../../../src/core/plan/plan.ts'

const SOURCE = { as_of: '2026-11-21', source_url: 'https://example.com/prices' } as const

/** 0.03 for the first output megapixel, 0.015 for each further one and for each of a reference. */
export const PRO_PRICE: Extract<PriceRule, { kind: 'megapixel' }> = {
  kind: 'megapixel',
  first_output: '0.03',
  extra_output: '0.015',
  reference: '0.015',
  rounding: 'up_1048576',
  reference_cap_mp: 4,
  ...SOURCE,
}

export const perImage = (amount: string): PriceRule => ({ kind: 'per_image', per_image: amount, ...SOURCE })

const SEEDS = { type: 'range', min: 0, max: Number.MAX_SAFE_INTEGER } as const

/** Polls, one image a call, follows the reference's size, webp, no quality setting. */
const BFL_SIZE: RangeSize = {
  kind: 'range',
  width: { type: 'range', min: 64, max: 65_536, step: 16 },
  height: { type: 'range', min: 64, max: 65_536, step: 16 },
  max_pixels: 4_194_304,
  required: false,
  follows_reference: true,
}

const BFL_LIMITS: Limits = {
  prompt: { min_chars: 0, max_chars: 32_000 },
  size: BFL_SIZE,
  reference_images: { max: 8, forms: ['url', 'base64'] },
  n: { max: 1 },
  seed: SEEDS,
  output_format: { type: 'enum', values: ['jpeg', 'png', 'webp'], default: 'jpeg' },
  output_quality: null,
  safety_tolerance: { type: 'range', min: 0, max: 5, step: 1 },
  prompt_upsampling: { type: 'boolean', default: true, settable: true },
  guidance: null,
  steps: null,
}

/** Batches, a required size, quality. */
const RUNWARE_LIMITS: Limits = {
  ...BFL_LIMITS,
  prompt: { min_chars: 1, max_chars: 32_000 },
  size: {
    kind: 'range',
    width: { type: 'range', min: 256, max: 2048, step: 16 },
    height: { type: 'range', min: 256, max: 2048, step: 16 },
    max_pixels: null,
    required: true,
    follows_reference: false,
  },
  reference_images: { max: 8, forms: ['url', 'data_uri', 'base64'] },
  n: { max: 20 },
  output_quality: { type: 'range', min: 20, max: 95, step: 5 },
  safety_tolerance: { type: 'range', min: 0, max: 6, step: 1 },
  prompt_upsampling: { type: 'boolean', default: false, settable: true },
}

/** Coarse step, no webp, no upsampling switch, not strict to the end. */
const VTRIX_LIMITS: Limits = {
  ...BFL_LIMITS,
  size: {
    ...BFL_SIZE,
    width: { type: 'range', min: 64, max: 65_536, step: 32 },
    height: { type: 'range', min: 64, max: 65_536, step: 32 },
  },
  output_format: { type: 'enum', values: ['jpeg', 'png'], default: 'jpeg' },
  safety_tolerance: { type: 'range', min: 1, max: 5, step: 1 },
  prompt_upsampling: { type: 'boolean', default: null, settable: false },
}

export const bfl: Offer = {
  provider: 'bfl',
  model: 'flux-2-pro',
  providerModel: 'flux-2-pro',
  limits: BFL_LIMITS,
  price: PRO_PRICE,
}
export const runware: Offer = {
  provider: 'runware',
  model: 'flux-2-pro',
  providerModel: 'bfl:5@1',
  limits: RUNWARE_LIMITS,
  price: PRO_PRICE,
}
export const vtrix: Offer = {
  provider: 'vtrix',
  model: 'flux-2-pro',
  providerModel: 'flux_2_pro',
  limits: VTRIX_LIMITS,
  price: null,
}

export const withLimits = (offer: Offer, limits: Partial<Limits>): Offer => ({ ...offer, limits: { ...offer.limits, ...limits } })

export const asking = (fields: Partial<PlannedRequest> = {}): PlannedRequest => ({ model: 'flux-2-pro', prompt: 'a red fox', ...fields })

export const stored = (width: number, height: number): Reference => ({
  kind: 'stored',
  sha256: 'ab'.repeat(32),
  format: 'png',
  pixels: { width, height },
})
export const unseen: Reference = { kind: 'url', url: 'https://example.com/cat.png', pixels: null }

export const candidate = (offer: Offer, state: Partial<Omit<Candidate, 'offer'>> = {}): Candidate => ({
  offer,
  unavailable: null,
  latency: null,
  options: {},
  ...state,
})

export const planning = (candidates: readonly Candidate[], rest: Partial<Omit<PlanInput, 'candidates'>> = {}): PlanInput => ({
  request: asking(),
  references: [],
  candidates,
  rule: {},
  pinned: null,
  roll: 0.5,
  ...rest,
})
