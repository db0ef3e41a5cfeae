import type { Offer, Warning } from '#contract'

const DAY_MS = 86_400_000
/** So long before the end callers are warned. */
export const NOTICE_MS = 60 * DAY_MS

/**
 * What the end of a model at its provider means at an instant: nothing before its notice, then a warning, and from the day on a reason against
 * the offer. `now` is in milliseconds since 1970; null where no end is judged.
 */
export function judgeRetirement(
  offer: Offer,
  now: number | null,
): { readonly reasons: readonly string[]; readonly warnings: readonly Warning[] } {
  const { model, provider, retiresOn, replacedBy = null } = offer
  if (retiresOn === undefined || now === null) return { reasons: [], warnings: [] }
  const endsAt = Date.parse(retiresOn)
  const instead = replacedBy === null ? 'nothing is named that replaces it' : `${replacedBy} replaces it`
  if (now >= endsAt) return { reasons: [`model: ${provider} retired ${model} on ${retiresOn}; ${instead}.`], warnings: [] }
  if (now < endsAt - NOTICE_MS) return { reasons: [], warnings: [] }
  const reason = `${provider} retires ${model} on ${retiresOn}; ${instead}.`
  const used = { model, retires_on: retiresOn, replaced_by: replacedBy }
  return { reasons: [], warnings: [{ code: 'deprecated', field: 'model', requested: model, used, reason }] }
}
