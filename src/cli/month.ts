import { NotUnderstood } from './terminal.ts'

/** The options by which a verb is asked for a range of days. */
export interface RangeOptions {
  readonly from?: string
  readonly to?: string
  /** `2026-10` */
  readonly month?: string
  readonly lastMonth?: boolean
}

/** The calendar month before the one an instant lies in, in UTC: `2026-10`. */
export const lastMonth = (now: Date): string => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1)).toISOString().slice(0, 7)

/**
 * The first and the last day that are asked for; absent where there is no limit.
 * @throws NotUnderstood where a month cannot be read, or stands beside another range
 */
export function rangeOf({ from, to, month, lastMonth: previous }: Omit<RangeOptions, 'lastMonth'> & { readonly lastMonth?: string }): {
  readonly from?: string
  readonly to?: string
} {
  if (month !== undefined && previous !== undefined) throw new NotUnderstood('--month and --last-month: give one of them')
  const asked = month ?? previous
  if (asked === undefined) return { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }
  if (from !== undefined || to !== undefined) throw new NotUnderstood('--from and --to: leave them out beside a month')
  const [, year = '', number = ''] = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(asked) ?? []
  if (year === '') throw new NotUnderstood(`--month ${asked}: write year and month, for example 2026-10`)
  const last = new Date(Date.UTC(Number(year), Number(number), 0)).toISOString().slice(0, 10)
  return { from: `${asked}-01`, to: last }
}
