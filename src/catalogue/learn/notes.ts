import type { Json } from '#contract'

/** Something that the document does not say, and that nobody guesses. */
export interface Missing {
  /** Where it stands in the draft, as null: `models.some-model.limits.prompt.max_chars`. */
  readonly path: string
  readonly why: string
}

/** Where a fact of the draft stands in the document. */
export interface Source {
  readonly path: string
  readonly from: string
}

/** Keeps, while a draft is written, what each value was read from, and what could not be known. */
export class Notes {
  readonly missing: Missing[] = []
  readonly sources: Source[] = []

  /** A value of the document; where it has none, null and a note of it. */
  take<Value extends Json>(path: string, value: Value | null, from: string, why: string): Value | null {
    if (value === null) return this.miss(path, why)
    this.sources.push({ path, from })
    return value
  }

  miss(path: string, why: string): null {
    this.missing.push({ path, why })
    return null
  }
}
