import type { ReferenceForm } from '#contract'
import { dependsOnReferences, UNSEEN } from '../plan/price.ts'
import { billedMegapixels, type Size } from '../plan/size.ts'
import type { GenerationRecord, Reference, Route } from '../records.ts'

/**
 * In which forms an offer gets the references. Where a limit in dollars holds and the vendor bills references by their size, it gets the bytes
 * that were priced: a link can give the vendor a larger image than it gave us. Null where it takes nothing but links, or nothing is limited.
 */
export function formsAsPriced(
  { reserved, request }: Pick<GenerationRecord, 'reserved' | 'request'>,
  { price }: Pick<Route, 'price'>,
  forms: readonly ReferenceForm[],
): readonly ReferenceForm[] | null {
  const isLimited = reserved !== undefined || request.provider?.max_price_usd !== undefined
  const inBytes = forms.filter((form) => form !== 'url')
  return isLimited && price !== null && dependsOnReferences(price) && inBytes.length > 0 ? inBytes : null
}

/** Whether an image is billed as it was priced, or less. */
export const isAsPriced = (reference: Reference, seen: Size): boolean =>
  billedMegapixels(seen) <= billedMegapixels(reference.pixels ?? UNSEEN)
