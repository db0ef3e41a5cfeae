/** Under a minute seconds with one decimal, else minutes and seconds. */
export function duration(ms: number): string {
  const tenths = Math.round(ms / 100)
  if (tenths < 600) return `${Math.floor(tenths / 10)}.${tenths % 10} s`
  const seconds = Math.round(ms / 1000)
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

/** Decimal kilobytes and megabytes. */
export function size(bytes: number): string {
  if (bytes < 999_500) return `${Math.max(1, Math.round(bytes / 1_000))} kB`
  return `${(bytes / 1_000_000).toFixed(1)} MB`
}

/** `1536 × 1024` */
export const pixels = (width: number, height: number): string => `${width} × ${height}`

export const count = (number: number): string => String(number).replaceAll(/\B(?=(\d{3})+$)/g, ',')

export const plural = (number: number, one: string, many = `${one}s`): string => `${count(number)} ${number === 1 ? one : many}`

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const two = (number: number): string => String(number).padStart(2, '0')
const dayOf = (date: Date): number => Math.floor(new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime() / 1000)

/** `today 10:41`, `yesterday`, or the day; in the reader's own time. */
export function whenText(instant: string, now: Date): string {
  const date = new Date(instant)
  const days = Math.round((dayOf(now) - dayOf(date)) / 86_400)
  if (days === 0) return `today ${two(date.getHours())}:${two(date.getMinutes())}`
  if (days === 1) return 'yesterday'
  const year = date.getFullYear() === now.getFullYear() ? '' : ` ${date.getFullYear()}`
  return `${date.getDate()} ${MONTHS[date.getMonth()]}${year}`
}

/** A day of Costs, which is UTC: `2026-11-26` as `26 Nov`. */
export const dayText = (day: string): string => `${Number(day.slice(8, 10))} ${MONTHS[Number(day.slice(5, 7)) - 1] ?? ''}`

const LONG_MONTHS = 'January February March April May June July August September October November December'.split(' ')
export const monthName = (monthFromZero: number): string => LONG_MONTHS[monthFromZero] ?? ''

/** `1 to 27 November`, `30 October to 5 November`: two days, UTC. */
export function daysText(from: string, to: string): string {
  const [end, begin] = [to, from].map((day) => `${Number(day.slice(8, 10))} ${monthName(Number(day.slice(5, 7)) - 1)}`)
  if (from === to) return end ?? ''
  return from.slice(0, 7) === to.slice(0, 7) ? `${Number(from.slice(8, 10))} to ${end}` : `${begin} to ${end}`
}

export const formatName = (format: string): string => (format === 'webp' ? 'WebP' : format.toUpperCase())

/** Names in a sentence: `Runware, Vtrix and Relay`. */
export const listed = (names: readonly string[]): string =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`

export const clockText = (date: Date): string => `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
