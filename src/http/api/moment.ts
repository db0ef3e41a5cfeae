import { z } from 'zod'
import { dayOf } from '../../core/instant.ts'

const DAY_MS = 86_400_000

/** A day or an instant; an empty value is none. */
export const Moment = z
  .string()
  .refine((text) => text === '' || instantOf(text) !== null, 'a day like 2026-11-21, or an instant like 2026-11-21T10:00:00Z')
  .optional()

const isDay = (text: string): boolean => /^\d{4}-\d{2}-\d{2}$/.test(text)

/** Only days and instants with a zone; what else `Date.parse` takes depends on the machine. */
function instantOf(text: string): number | null {
  if (!isDay(text) && !z.iso.datetime({ offset: true }).safeParse(text).success) return null
  const instant = Date.parse(text)
  return Number.isNaN(instant) || (isDay(text) && dayOf(instant) !== text) ? null : instant
}

/** The beginning of a day, or the instant itself; null where there is none. */
export const momentOf = (text: string | undefined): number | null => (text ? instantOf(text) : null)

/** The end of a day, or the instant itself; null where there is none. */
export function endOf(text: string | undefined): number | null {
  const instant = momentOf(text)
  return instant !== null && text && isDay(text) ? instant + DAY_MS : instant
}
