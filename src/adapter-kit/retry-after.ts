/** Headers by lower-case name; a header that came twice may be a list. */
export type HeaderValues = Readonly<Record<string, string | readonly string[] | undefined>>

/**
 * Milliseconds that a reply's `Retry-After` asks to wait (RFC 9110, 10.2.3); null where it says nothing that can be read.
 * Seconds, with a fraction too; or a date, measured against the reply's own `Date`, so that no clock of ours is asked. Of several values
 * the longest counts. There is no ceiling here: the caller bounds the wait by its deadline.
 * @param receivedAtMs milliseconds since 1970, for a date in a reply that has no readable `Date`
 */
export function retryAfterMs(headers: HeaderValues, receivedAtMs?: number): number | null {
  const value = headers['retry-after']
  if (value === undefined) return null
  const date = headers['date']
  const sentAtMs = dateMs(typeof date === 'string' ? date : (date?.[0] ?? '')) ?? receivedAtMs ?? null
  const values = (typeof value === 'string' ? [value] : value).flatMap(partsOf)
  const waits = values.flatMap((part) => waitMs(part, sentAtMs) ?? [])
  return waits.length === 0 ? null : Math.max(...waits)
}

/** `5, 7` is what two headers become when they are joined; a date has a comma of its own. */
const partsOf = (value: string): readonly string[] => (/^[\d.,\s]+$/.test(value) ? value.split(',') : [value]).map((part) => part.trim())

function waitMs(value: string, sentAtMs: number | null): number | null {
  if (/^\d{1,400}(\.\d{1,400})?$/.test(value)) return Math.min(Number.MAX_SAFE_INTEGER, Math.ceil(Number(value) * 1_000))
  const untilMs = dateMs(value)
  return untilMs === null || sentAtMs === null ? null : Math.max(0, untilMs - sentAtMs)
}

const MONTHS = 'Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec'
/** `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT`, `Sun Nov  6 08:49:37 1994`; and ISO 8601, which some services send. */
const HTTP_DATE = new RegExp(`^[a-z]{3,9}, \\d{1,2}[ -](${MONTHS})[ -]\\d{2,4} \\d\\d:\\d\\d:\\d\\d (GMT|UTC)$`, 'i')
const ASCTIME = new RegExp(`^[a-z]{3} (${MONTHS}) [ \\d]\\d \\d\\d:\\d\\d:\\d\\d \\d{4}$`, 'i')
const ISO_DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)$/i

function dateMs(text: string): number | null {
  const trimmed = text.trim()
  const isDate = HTTP_DATE.test(trimmed) || ISO_DATE.test(trimmed)
  const instant = isDate ? Date.parse(trimmed) : ASCTIME.test(trimmed) ? Date.parse(`${trimmed} GMT`) : Number.NaN
  return Number.isNaN(instant) ? null : instant
}
