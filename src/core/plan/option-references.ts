import type { JsonObject, Offer } from '#contract'
import type { Reference } from '../records.ts'

/** An offer with what its provider's own options say. */
interface Optioned {
  readonly offer: Offer
  readonly options: JsonObject
}

/** Its bytes are at the vendor, so nobody here has seen it. */
const UNSEEN: Reference = { kind: 'url', url: '', pixels: null }

const NONE: readonly string[] = []

const fieldsIn = ({ offer, options }: Optioned): readonly string[] =>
  offer.limits.reference_images.options?.filter((field) => options[field] !== undefined) ?? NONE

/** Reference images that a provider's own options name: each counts for its limit and its price as any other. */
export const namedReferences = (candidate: Optioned): readonly Reference[] => fieldsIn(candidate).map(() => UNSEEN)

/** Why a provider must not be used: an option names a reference image that only another one can read, and a reference is never left out. */
export const referencesElsewhere = (provider: string, candidates: readonly Optioned[]): readonly string[] =>
  candidates
    .filter((other) => other.offer.provider !== provider && fieldsIn(other).length > 0)
    .flatMap((other) =>
      fieldsIn(other).map(
        (field) =>
          `provider_options.${other.offer.provider}.${field}: it names a reference image that only ${other.offer.provider} can read.`,
      ),
    )
