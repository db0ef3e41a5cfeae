import { suggest } from '#contract'
import type { GenerationRequest } from '#contract'
import { Refusal } from './refusal.ts'

const MOST_CHARS = 100
const quoted = (name: string): string => JSON.stringify(name.slice(0, MOST_CHARS))

/** A provider as a caller named it, and the field that does. */
export interface NamedProvider {
  readonly path: string
  readonly provider: string
}

/** Every provider that a request's routing names. */
export const providersNamed = ({ provider }: Pick<GenerationRequest, 'provider'>): readonly NamedProvider[] =>
  (['order', 'only', 'ignore'] as const).flatMap((field) =>
    (provider?.[field] ?? []).map((name, index) => ({ path: `provider.${field}.${index}`, provider: name })),
  )

/**
 * @param shown those of the installed ones that whoever asks may be shown
 * @throws Refusal where one of them is not installed, which is a slip that would otherwise be bought elsewhere without a word
 */
export function requireInstalled(named: readonly NamedProvider[], installed: readonly string[], shown = installed): void {
  const errors = named
    .filter(({ provider }) => !installed.includes(provider))
    .map(({ path, provider }) => ({
      path,
      message: `there is no provider ${quoted(provider)}; ${suggest(provider.slice(0, MOST_CHARS), shown)}`,
    }))
  const [first] = errors
  if (first) throw new Refusal('invalid_request', `${first.path}: ${first.message}`, errors)
}

/** @param remedy the nearest right name, as a clause */
export function noSuchModel(name: string, remedy: string): Refusal {
  // What is said of the field stands in the detail word for word, so that whoever shows both says it once.
  const message = `There is no model ${quoted(name)}; ${remedy}`
  return new Refusal('model_not_found', `${message} GET /v1/models lists what there is.`.replace(/([^?.]) GET/, '$1. GET'), [
    { path: 'model', message },
  ])
}
