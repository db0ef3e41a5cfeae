import type { GenerationRequest, JsonObject, Offer, RouteRule } from '#contract'
import type { KeyPolicy, Standing } from './keys/key-policy.ts'
import type { Candidate } from './plan/plan.ts'

/** What can be bought, as configured and measured at this moment. */
export interface Offers {
  /** What the request's `model` means (a canonical id, an alias, or `provider/model`), with an alias's defaults filled in; null where there is no such model. */
  resolve(
    request: GenerationRequest,
  ): { readonly request: GenerationRequest; readonly model: string; readonly pinned: string | null; readonly rule: RouteRule } | null
  /** Every provider's offer of the model, usable or not. `options` are the request's parsed provider_options. */
  candidates(model: string, options: Readonly<Record<string, JsonObject>>): readonly Candidate[]
  /** Every provider that is installed, usable or not. */
  providers(): readonly string[]
  /**
   * The remedy for a model's name that means nothing, as a clause: the nearest right name, or those there are. `allowed`: the only names to
   * propose.
   */
  suggestModel(name: string, allowed: readonly string[] | null): string
  /** Dotted paths in a provider's options that switch a safety check on; none for a provider that is not installed. */
  safetyOptions(provider: string): readonly string[]
  /** Every provider's offer of the model, at today's prices. */
  ofModel(model: string): readonly Offer[]
  /** What whoever asks may do now, by the name of the gateway key; null: none was asked for. */
  standing(key: string | null): Standing
  /** Every gateway key. */
  keys(): readonly KeyPolicy[]
}
