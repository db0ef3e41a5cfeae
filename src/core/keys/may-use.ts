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

export const mayUseProvider = (providers: readonly string[] | null, provider: string): boolean =>
  providers === null || providers.includes(provider)
