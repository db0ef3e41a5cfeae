import type { Applied, GenerationRequest, Warning } from '#contract'

/** A validated request as the plan sees it: aliases' defaults merged, `model` canonical, references apart. */
export type PlannedRequest = Omit<GenerationRequest, 'reference_images' | 'mask'>

/** What judging one field of a request against one offer brought to light. `reasons` make the offer ineligible. */
export interface Finding {
  readonly applied?: Partial<Applied>
  readonly warnings?: readonly Warning[]
  readonly reasons?: readonly string[]
  readonly assumptions?: readonly string[]
}

type Value = Warning['requested']

/** Another value is used; `reason` is one sentence that names the limit. */
export const adjusted = (field: string, requested: Value, used: Value, reason: string): Warning => ({
  code: 'adjusted',
  field,
  requested,
  used,
  reason,
})

/** The field cannot be honoured at all; `used` is what happens instead, null where nothing is sent. */
export const unsupported = (field: string, requested: Value, used: Value, reason: string): Warning => ({
  code: 'unsupported',
  field,
  requested,
  used,
  reason,
})
