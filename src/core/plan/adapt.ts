import type { Applied, Fidelity, Offer, Warning } from '#contract'
import type { Reference, VendorDefaults } from '../records.ts'
import { adaptBackground, adaptQuality } from './adapt-choice.ts'
import {
  adaptFormat,
  adaptNumber,
  adaptOutputQuality,
  adaptPrompt,
  adaptReferences,
  adaptSafety,
  adaptSeed,
  adaptUpsampling,
  ignoredOptions,
} from './adapt-fields.ts'
import { adaptSize } from './adapt-size.ts'
import { fidelityOf, vendorDefaults } from './fidelity.ts'
import type { PlannedRequest } from './finding.ts'
import { adaptMask } from './mask.ts'

/** A request made legal for one offer, or why it cannot be: one sentence for each obstacle, naming the field and the limit. */
export type Adaptation =
  | {
      readonly eligible: true
      /** What is asked of the offer, and nothing else. */
      readonly applied: Applied
      readonly defaults: VendorDefaults
      readonly fidelity: Fidelity
      readonly warnings: readonly Warning[]
      readonly assumptions: readonly string[]
    }
  | { readonly eligible: false; readonly reasons: readonly string[] }

/**
 * Judges a request against an offer's limits and picks the nearest legal values. Reference images, the mask, safety and the model are never adapted away.
 * With `on_unsupported: "reject"` whatever would need a warning refuses the offer, except options meant for other providers:
 * they are expected where a request names several.
 * @param request validated body of a request: an alias's defaults merged, `model` canonical
 * @param references in order, in place of `reference_images`
 */
export function adapt(request: PlannedRequest, references: readonly Reference[], offer: Offer, mask: Reference | null = null): Adaptation {
  const { limits } = offer
  const format = adaptFormat(request.output_format, limits.output_format)
  const background = adaptBackground(request.background, limits, format.applied?.output_format)
  const ordered = background.applied?.output_format ?? format.applied?.output_format
  const findings = [
    adaptPrompt(request.prompt, limits.prompt),
    adaptReferences(references, limits.reference_images),
    adaptSize(request, references, limits.size),
    adaptSeed(request.seed, limits.seed),
    format,
    adaptOutputQuality(request.output_quality, limits, ordered),
    adaptSafety(request.safety_tolerance, limits.safety_tolerance),
    adaptUpsampling(request.prompt_upsampling, limits.prompt_upsampling),
    adaptNumber('guidance', request.guidance, limits.guidance),
    adaptNumber('steps', request.steps, limits.steps),
    adaptQuality(request.quality, limits.quality),
    background,
    adaptMask(mask, limits),
  ]
  const warnings: Warning[] = []
  const reasons: string[] = []
  const assumptions: string[] = []
  for (const finding of findings) {
    if (finding.warnings) warnings.push(...finding.warnings)
    if (finding.reasons) reasons.push(...finding.reasons)
    if (finding.assumptions) assumptions.push(...finding.assumptions)
  }
  if (request.on_unsupported === 'reject') reasons.push(...warnings.map(refusal))
  if (reasons.length > 0) return { eligible: false, reasons }
  const applied: Applied = { n: request.n ?? 1, reference_images: references.length }
  for (const finding of findings) if (finding.applied) Object.assign(applied, finding.applied)
  return {
    eligible: true,
    applied,
    defaults: vendorDefaults(limits, applied),
    fidelity: fidelityOf(request, references, limits, { applied, warnings }),
    warnings: [...warnings, ...(ignoredOptions(request.provider_options, offer.provider).warnings ?? [])],
    assumptions,
  }
}

/** A warning as the reason against an offer, where `on_unsupported` is "reject". */
export function refusal({ code, field, requested, used, reason }: Warning): string {
  const asked = requested === null ? 'nothing was asked' : `${JSON.stringify(requested)} was asked`
  const instead = code === 'adjusted' ? `the nearest is ${JSON.stringify(used)}` : 'it cannot be honoured'
  return `${field}: ${asked} and ${instead}, which on_unsupported "reject" forbids; ${reason.charAt(0).toLowerCase()}${reason.slice(1)}`
}
