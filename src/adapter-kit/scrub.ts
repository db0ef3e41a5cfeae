import type { Json, JsonObject } from '#contract'

const MAX_TEXT_CHARS = 500

/** A link, in every spelling a URL parser takes, with what may sign it: user, query and fragment. */
const LINK = /\b([a-z][a-z0-9+.-]{1,20}:[/\\]{1,3})(?:[^\s/\\?#"'<>]*@)?([^\s?#"'<>]*)(?:[?#][^\s"'<>]*)?/gi
/** A parameter that signs, outside a link too. */
const SIGNATURE =
  /\b((?:x-(?:amz|goog)-)?(?:signature|credential|security-token)|sig|token|access_token|api[-_]?key|x-key|secret|password)(["']?\s*[=:]\s*["']?)[^\s&"'<>,;]+/gi
const CREDENTIAL = /\b(bearer|basic)\s+[\w.~+/=-]{8,}/gi

/** What one of them has in it at least: most texts, such as ids and prompts, have none of it and need no further search. */
const IN_ANY = /[@?#=:]|(?:bearer|basic)\s/i
/** What each of them has in it. */
const SCHEME = /:[/\\]/
const IN_LINK = /[@?#]/
const IN_SIGNATURE = /(?:signature|credential|token|sig|key|secret|password)["']?\s*[=:]/i
const IN_CREDENTIAL = /(?:bearer|basic)\s/i

const hasLink = (text: string): boolean => IN_LINK.test(text) && SCHEME.test(text)

/** Whether a text may have in it what `scrubbedText` leaves out. */
export const mayNeedScrubbing = (text: string): boolean =>
  IN_ANY.test(text) && (hasLink(text) || IN_SIGNATURE.test(text) || IN_CREDENTIAL.test(text))

/** A text without users, queries and fragments of links, and without credentials. */
export function scrubbedText(text: string): string {
  if (!IN_ANY.test(text)) return text
  const linked = hasLink(text) ? text.replaceAll(LINK, '$1$2') : text
  const credited = IN_CREDENTIAL.test(linked) ? linked.replaceAll(CREDENTIAL, '$1 …') : linked
  return IN_SIGNATURE.test(credited) ? credited.replaceAll(SIGNATURE, '$1$2…') : credited
}

/** A vendor's text as it may be shown: scrubbed, at most 500 characters. */
export const withoutSecrets = (text: string): string => scrubbedText(text).slice(0, MAX_TEXT_CHARS).toWellFormed().trim()

const MAX_FACT_CHARS = 2_000

/**
 * The small facts of a reply that are worth keeping with an attempt, without secrets. Left out: what is absent or null, and what is
 * larger than a fact.
 */
export function vendorFacts(fields: Readonly<Record<string, unknown>>): { readonly vendor?: JsonObject } {
  const vendor: Record<string, Json> = {}
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || value === null) continue
    const fact = scrubbed(value as Json, MAX_DEPTH)
    if (fact !== undefined && isSmall(fact)) vendor[name] = fact
  }
  return Object.keys(vendor).length === 0 ? {} : { vendor }
}

/** A short text is small however it is escaped. */
const isSmall = (fact: Json): boolean =>
  (typeof fact === 'string' && fact.length < MAX_FACT_CHARS / 8) || JSON.stringify(fact).length <= MAX_FACT_CHARS

const MAX_DEPTH = 4

function scrubbed(value: Json, depth: number): Json | undefined {
  if (typeof value === 'string') return withoutSecrets(value)
  if (typeof value !== 'object' || value === null) return Object.is(value, -0) ? 0 : value
  if (depth === 0) return undefined
  if (Array.isArray(value)) return value.map((part: Json) => scrubbed(part, depth - 1) ?? null)
  const entries = Object.entries(value).map(([key, part]) => [withoutSecrets(key), scrubbed(part, depth - 1) ?? null] as const)
  return Object.fromEntries(entries)
}
