import { MEGAPIXEL } from '#contract'
import type { Applied, Fidelity, Limits, SizeLimit, TierSize, Warning } from '#contract'
import type { Reference, VendorDefaults } from '../records.ts'
import type { PlannedRequest } from './finding.ts'
import { areNearSides, idealSize, isNearArea, NEAR_AREA, nearestSize, ratioChange, shapeOf, type Size } from './size.ts'
import { appliedTier } from './tier-size.ts'
import { sizeOfWanted, wantedSizeOf } from './wanted-size.ts'

/** What is left of rounding where a shape has exactly the asked ratio. */
const EQUAL = 1e-9

/** How near the adapted request is to the one that was made; `warnings` say what was adapted. */
export function fidelityOf(
  request: PlannedRequest,
  references: readonly Reference[],
  limits: Limits,
  { applied, warnings }: { readonly applied: Applied; readonly warnings: readonly Warning[] },
): Fidelity {
  if (request.output_format !== undefined && applied.output_format !== request.output_format) return 'far'
  const size = sizeFidelity(request, references, limits, applied)
  return size === 'exact' && warnings.length > 0 ? 'near' : size
}

function sizeFidelity(request: PlannedRequest, references: readonly Reference[], limits: Limits, applied: Applied): Fidelity {
  const asked = wantedSizeOf(request, references)
  const wanted = sizeOfWanted(asked)
  const made = outputSize(applied, references, limits)
  // Nobody knows the size of the reference: it is met where the provider takes its size from it, and nowhere else.
  if (wanted === null) return made === null && limits.size.kind === 'range' ? 'exact' : 'far'
  if (made === null) return 'far'
  const isPublished = limits.size.kind === 'range' || applied.width !== undefined
  if (isPublished && made.width === wanted.width && made.height === wanted.height) return 'exact'
  const isNear = isNearArea(wanted, made)
  const isShapeAsked = asked.kind === 'shape' || (asked.kind === 'usual' && limits.size.kind === 'tier')
  if (isShapeAsked && isNear && isSameRatio(wanted, boughtShape(applied, made))) return 'exact'
  return isNear && isNearShape(wanted, made, limits.size) ? 'near' : 'far'
}

/** A size in whole pixels has the ratio that was bought only nearly. */
const boughtShape = ({ tier, aspect_ratio: ratio }: Applied, made: Size): Size =>
  tier === undefined || ratio === undefined ? made : shapeOf(ratio)

const isSameRatio = (left: Size, right: Size): boolean => Math.abs((left.width * right.height) / (left.height * right.width) - 1) < EQUAL

/** Each side off by at most one step of the grid; ratio × tier has no grid, and there the shape is off by as little as the area may be. */
function isNearShape(wanted: Size, made: Size, limit: SizeLimit): boolean {
  return limit.kind === 'tier' ? ratioChange(wanted, made) <= 1 + NEAR_AREA : areNearSides(wanted, made, limit)
}

/** Whether a size stands for another one at an offer, as far as pixels go: `exact` or `near`. */
export const isNearSize = (wanted: Size, made: Size, limit: SizeLimit): boolean =>
  isNearArea(wanted, made) && isNearShape(wanted, made, limit)

/** The size of each image as far as it is known before it is made: as asked, or the first reference's where none is sent. */
export function outputSize(applied: Applied, references: readonly Reference[], limits: Pick<Limits, 'size'>): Size | null {
  const { width, height } = applied
  if (width !== undefined && height !== undefined) return { width, height }
  const pixels = references[0]?.pixels
  if (limits.size.kind === 'range') return pixels ? nearestSize(pixels, limits.size) : null
  return tierOutputSize(applied, limits.size, pixels ?? null)
}

/** Of ratio × tier: as calculated from both; the shape is the first reference's where none is sent. */
function tierOutputSize(applied: Applied, limit: TierSize, reference: Size | null): Size | null {
  const bought = appliedTier(applied, limit)
  if (bought) return bought.size
  const tier = limit.tiers.find(({ name }) => name === applied.tier)
  return tier && reference ? idealSize(reference, tier.megapixels * MEGAPIXEL) : null
}

/** The vendor defaults that act in the fields that are not sent. */
export function vendorDefaults(limits: Limits, applied: Applied): VendorDefaults {
  return {
    ...(limits.guidance && applied.guidance === undefined && { guidance: limits.guidance.default ?? null }),
    ...(limits.steps && applied.steps === undefined && { steps: limits.steps.default ?? null }),
    ...(applied.prompt_upsampling === undefined && { prompt_upsampling: limits.prompt_upsampling.default }),
    ...(limits.safety_tolerance && applied.safety_tolerance === undefined && { safety_tolerance: limits.safety_tolerance.default ?? null }),
  }
}

/** What acts, asked or not, as far as it is known: what a caller sees as `applied`. An order holds only what was asked. */
export const appliedView = (applied: Applied, defaults: VendorDefaults): Applied => ({
  ...(Object.fromEntries(Object.entries(defaults).filter(([, value]) => value !== null)) as Partial<Applied>),
  ...applied,
})

/** One sentence for each field whose default differs between the rows, for those rows in which it acts. By provider. */
export function differingDefaults(
  rows: readonly { readonly provider: string; readonly defaults: VendorDefaults }[],
): (provider: string) => readonly string[] {
  const fields = ['guidance', 'steps', 'prompt_upsampling', 'safety_tolerance'] as const
  const differing = fields.flatMap((field) => {
    const concerned = rows.filter(({ defaults }) => defaults[field] !== undefined)
    if (new Set(concerned.map(({ defaults }) => defaults[field])).size < 2) return []
    const each = concerned.map(({ provider, defaults }) => `${provider} ${spoken(defaults[field] ?? null)}`)
    return [{ providers: concerned.map(({ provider }) => provider), sentence: `${field}: not asked, and ${each.join(', ')}.` }]
  })
  return (provider) => differing.filter(({ providers }) => providers.includes(provider)).map(({ sentence }) => sentence)
}

function spoken(value: number | boolean | null): string {
  if (value === null) return 'does not say what it uses'
  return `uses ${typeof value === 'boolean' ? (value ? 'on' : 'off') : value}`
}
