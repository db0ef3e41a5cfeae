import type { Offer } from '#contract'
import type { Reference } from '../records.ts'
import { adapt, type Adaptation } from './adapt.ts'
import { adaptPrompt, adaptSeed } from './adapt-fields.ts'
import type { PlannedRequest } from './finding.ts'
import { quoteFor, type QuotedPrice } from './price.ts'

/** A request adapted to one offer, and what that costs there. */
export interface Fit {
  readonly adaptation: Adaptation
  /** Null where the request does not fit the offer or the offer publishes no price. */
  readonly price: QuotedPrice | null
}

function fit(request: PlannedRequest, references: readonly Reference[], offer: Offer, mask: Reference | null): Fit {
  const adaptation = adapt(request, references, offer, mask)
  return { adaptation, price: adaptation.eligible ? quoteFor(offer, adaptation.applied, references) : null }
}

/** So many different requests are remembered for each offer. */
const MOST_REMEMBERED = 200

const remembered = new WeakMap<Offer, Map<string, Fit>>()

/** Fits one request to offers. */
export interface Fitter {
  fit(references: readonly Reference[], offer: Offer): Fit
  /**
   * As every request fits that differs in prompt and seed alone, without a seed: the same object each time. Null where this request says more, or
   * its prompt or seed does not fit as it is.
   */
  alike(offer: Offer): Fit | null
}

/**
 * Two requests that differ in prompt and seed alone fit alike: what was made of the first serves the second, whose open generation then holds
 * no copy of it. Most of a plan is saved by that, since every offer of the model is judged, whether it can be used or not.
 */
export function fitter(request: PlannedRequest, mask: Reference | null): Fitter {
  const { prompt, seed, provider: _, webhook: __, metadata: ___, ...rest } = request
  const isPlain = mask === null && request.provider_options === undefined
  let name: string | null = null

  const alike = (offer: Offer): Fit | null => {
    const { limits } = offer
    const isAlike =
      isPlain && adaptPrompt(prompt, limits.prompt).reasons === undefined && adaptSeed(seed, limits.seed).warnings === undefined
    if (!isAlike) return null
    name ??= JSON.stringify(rest)
    const known = rememberedOf(offer)
    const found = known.get(name)
    if (found) return found
    if (known.size >= MOST_REMEMBERED) known.clear()
    const made = fit({ ...rest, prompt }, [], offer, null)
    known.set(name, made)
    return made
  }

  return {
    alike,
    fit(references, offer) {
      const found = references.length === 0 ? alike(offer) : null
      if (found === null) return fit(request, references, offer, mask)
      const { adaptation, price } = found
      if (seed === undefined || !adaptation.eligible) return found
      return { adaptation: { ...adaptation, applied: { ...adaptation.applied, seed } }, price }
    },
  }
}

function rememberedOf(offer: Offer): Map<string, Fit> {
  const known = remembered.get(offer)
  if (known) return known
  const made = new Map<string, Fit>()
  remembered.set(offer, made)
  return made
}
