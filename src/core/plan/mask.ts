import type { Limits } from '#contract'
import type { Reference } from '../records.ts'
import type { Finding } from './finding.ts'

/** A mask is kept behind the reference images, so that it is measured, stored, backed up and found again like them. */
export const withoutMask = (references: readonly Reference[]): readonly Reference[] =>
  references.some(({ isMask }) => isMask === true) ? references.filter(({ isMask }) => isMask !== true) : references

export const maskOf = (references: readonly Reference[]): Reference | null => references.find(({ isMask }) => isMask === true) ?? null

/** A mask goes along or the offer is refused. */
export function adaptMask(mask: Reference | null, limits: Limits): Finding {
  if (mask === null) return {}
  if (limits.mask !== true) return { reasons: ['mask: one was given, and this offer takes none; a mask is never left out.'] }
  const takesBytes = limits.reference_images.forms.includes('data_uri') || limits.reference_images.forms.includes('base64')
  if (!takesBytes && mask.kind === 'stored' && mask.url === undefined)
    return { reasons: ['mask: this offer takes only links, and the mask is given as bytes.'] }
  return { applied: { mask: true } }
}

/** Why a mask cannot be meant, whatever the offer; null where it can, as far as it is seen. */
export function objectionToMask(mask: Reference, first: Reference | undefined): string | null {
  if (mask.kind === 'stored' && mask.format === 'jpeg') return 'it is a JPEG, which has no transparent part: send PNG or WebP'
  const [own, other] = [mask.pixels, first?.pixels ?? null]
  if (own === null || other === null || (own.width === other.width && own.height === other.height)) return null
  return `it is ${own.width}×${own.height}, and the first reference image is ${other.width}×${other.height}: send them in one size`
}
