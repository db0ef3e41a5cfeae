import type { Model } from '#contract'

/** The catalogue as configured at this moment: canonical models first, then aliases. */
export interface ModelSource {
  list(): readonly Model[]
  find(id: string): Model | null
  /** The remedy for a name that `find` does not know, as a clause. */
  suggest(id: string): string
}
