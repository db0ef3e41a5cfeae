/** Milliseconds since 1970, UTC. */
export type Instant = number

/** An answer shows few different instants many times over. */
const MOST_REMEMBERED = 64
const written = new Map<Instant, string>()

/** ISO 8601 in UTC with milliseconds: the one way instants are written in answers, webhooks and messages. */
export function iso(instant: Instant): string {
  const known = written.get(instant)
  if (known !== undefined) return known
  if (written.size >= MOST_REMEMBERED) written.clear()
  const text = new Date(instant).toISOString()
  written.set(instant, text)
  return text
}

export const isoOrNull = (instant: Instant | null): string | null => (instant === null ? null : iso(instant))

export const DAY_MS = 86_400_000
/** A report goes from day to day, and names the same one many times over. */
let named = { day: Number.NaN, text: '' }

/** `2026-11-27`, in UTC. */
export function dayOf(instant: Instant): string {
  const day = Math.floor(instant / DAY_MS)
  if (day !== named.day) named = { day, text: iso(instant).slice(0, 10) }
  return named.text
}

/** `2026-11`, in UTC. */
export const monthOf = (instant: Instant): string => dayOf(instant).slice(0, 7)
