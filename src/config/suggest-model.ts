import { editDistance, nearest } from '#contract'
import type { Catalogue } from '../catalogue/catalogue.ts'
import type { Config } from './config.ts'

const MOST_LISTED = 40
/** More of one family are no proposal. */
const MOST_PROPOSED = 6

/**
 * The remedy for a model's name that means nothing to a caller.
 * @param allowed the only names to propose: those that a key may use; null for all
 */
export const suggestModel = (config: Config, catalogue: Catalogue, name: string, allowed: readonly string[] | null = null): string =>
  suggestAmong(catalogue, allowed ?? [...new Set([...catalogue.models, ...config.models.keys()])], name)

/**
 * The same model under our name, where a provider or another gateway calls it so, else those of its family, else the nearest name there is, else
 * all of them.
 */
export function suggestAmong(catalogue: Catalogue, known: readonly string[], name: string): string {
  const [prefix, rest] = split(name)
  const pinned = prefix === null ? null : nearest(prefix, [...catalogue.providers.keys()])
  const written = rest === null ? [name] : pinned === null ? [name, rest] : [rest]
  const same = meant(catalogue, known, name) ?? (rest === null ? null : meant(catalogue, known, rest))
  const models = same === null ? (written.map((one) => alike(one, known)).find((some) => some.length > 0) ?? []) : [same]
  const [first] = models
  if (pinned === null || first === undefined) return proposal(models, known)
  const soldBy = (model: string) => catalogue.offers(model).map(({ provider }) => provider)
  const sold = models.filter((model) => soldBy(model).includes(pinned))
  if (sold.length > 0)
    return proposal(
      sold.map((model) => `${pinned}/${model}`),
      known,
    )
  // An alias, whose providers its route names: none can be pinned before it.
  if (soldBy(first).length === 0) return proposal([first], known)
  return `${pinned} does not sell ${first}, which is sold by ${soldBy(first).join(', ')}`
}

function proposal(names: readonly string[], known: readonly string[]): string {
  const quoted = names.map((name) => `"${name}"`)
  if (quoted.length > 0) return `did you mean ${[quoted.slice(0, -1).join(', '), quoted.at(-1)].filter(Boolean).join(' or ')}?`
  if (known.length === 0) return 'there are none'
  return `there are ${known.slice(0, MOST_LISTED).join(', ')}${known.length > MOST_LISTED ? ' …' : ''}`
}

/** The names that a few words more, or fewer, make of this one; else the nearest one whose first word is much the same. Empty where all are far. */
function alike(name: string, known: readonly string[]): readonly string[] {
  const distance = (one: string) => editDistance(name.toLowerCase(), one.toLowerCase())
  const words = wordsIn(name)
  const longer = known
    .filter((one) => holds(wordsIn(one), words) || goesOn(one, name))
    .toSorted((one, other) => distance(one) - distance(other))
  if (longer.length > 0 && longer.length <= MOST_PROPOSED) return longer
  const shorter = known.filter((one) => wordsIn(one).length > 1 && holds(words, wordsIn(one)))
  const longest = shorter.toSorted((one, other) => other.length - one.length)[0]
  if (longest !== undefined) return [longest]
  const near = nearest(
    name,
    known.filter((one) => isSameFamily(wordsIn(one), words)),
  )
  return near === null ? [] : [near]
}

const holds = (words: readonly string[], part: readonly string[]): boolean =>
  part.some((word) => /[a-z]/.test(word)) && part.every((word) => words.includes(word))

/** `gpt-image-1.5` goes on behind `gpt-image-1`; `gpt-image-12` does not. */
const goesOn = (one: string, name: string): boolean =>
  one.toLowerCase().startsWith(name.toLowerCase()) && !/[a-z0-9]/i.test(one.charAt(name.length))

/** One letter of `grok-image-2` and `gpt-image-2` after the other may be changed: another vendor's model stays another's. */
const isSameFamily = ([one = '']: readonly string[], [other = '']: readonly string[]): boolean =>
  editDistance(one, other) <= Math.min(2, Math.max(one.length, other.length) - 1)

const split = (name: string): readonly [string | null, string | null] => {
  const slash = name.indexOf('/')
  return slash < 1 ? [null, null] : [name.slice(0, slash), name.slice(slash + 1)]
}

/** The known model that somebody else's name stands for: a vendor's own id, or the same words in another order or writing. */
function meant(catalogue: Catalogue, known: readonly string[], name: string): string | null {
  const words = wordsOf(name)
  const isVendorId = (model: string) =>
    catalogue.offers(model).some(({ providerModel }) => providerModel.toLowerCase() === name.toLowerCase())
  return known.find((model) => wordsOf(model) === words) ?? known.find(isVendorId) ?? null
}

/** `flux-pro/v1.1`, `FLUX.1.1 [pro]` and `flux-1.1-pro` hold the same words. */
const wordsOf = (name: string): string => wordsIn(name).toSorted().join(' ')

const wordsIn = (name: string): readonly string[] => (name.toLowerCase().match(/[a-z]+|\d+(\.\d+)?/g) ?? []).filter((word) => word !== 'v')
