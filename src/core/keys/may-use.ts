/**
 * Whether a key that is limited to these names may use a model. Names count as callers write them: an alias only where it is itself named; a
 * pinned name where its model is.
 * @param names null: all
 * @param asked as the caller writes it: a canonical id, an alias, or `provider/model`
 * @param model the canonical id that it means
 */
export function mayUseModel(names: readonly string[] | null, asked: string, model: string): boolean {
  if (names === null || names.includes(asked)) return true
  return (asked === model || asked.endsWith(`/${model}`)) && names.includes(model)
}

/** Those of these providers that a key may use, and be shown. */
export const providersFor = (allowed: readonly string[] | null, all: readonly string[]): readonly string[] =>
  all.filter((provider) => mayUseProvider(allowed, provider))

/** What is said of a model's name to a key that is limited to some providers: the right one may be theirs. */
export const USE_OTHERS = 'this key may use others'

export const mayUseProvider = (providers: readonly string[] | null, provider: string): boolean =>
  providers === null || providers.includes(provider)
