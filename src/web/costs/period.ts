import { daysText, monthName } from '../format/facts.ts'

export type Preset = '7' | '30' | 'month' | 'other'

/** Two days, both included, UTC. */
export interface Period {
  readonly preset: Preset
  readonly from: string
  readonly to: string
}

export const dayOf = (instant: Date): string => instant.toISOString().slice(0, 10)
const DAY_MS = 86_400_000

/** The period in the page's address; without one, this month. */
export function periodOf(query: string, now: Date): Period {
  const given = new URLSearchParams(query)
  const [from, to] = [given.get('from'), given.get('to')]
  const today = dayOf(now)
  if (from !== null && to !== null && isDay(from) && isDay(to) && from <= to) return { preset: 'other', from, to }
  const days = given.get('days')
  if (days === '7' || days === '30') return { preset: days, from: dayOf(new Date(now.getTime() - (Number(days) - 1) * DAY_MS)), to: today }
  return { preset: 'month', from: `${today.slice(0, 7)}-01`, to: today }
}

const isDay = (text: string): boolean => /^\d{4}-\d{2}-\d{2}$/.test(text)

export const periodText = ({ from, to }: Period): string => daysText(from, to)

/** Every day of a period, the first one first. */
export function daysOf({ from, to }: Period): readonly string[] {
  const days: string[] = []
  const end = Date.parse(to)
  for (let at = Date.parse(from); at <= end && days.length < 400; at += DAY_MS) days.push(dayOf(new Date(at)))
  return days
}

/** A month of an instant as a period's query and its name, for "Show October". */
export function monthOf(instant: string): { readonly query: string; readonly name: string } {
  const [year = 0, month = 1] = instant.split('-').map(Number)
  const last = dayOf(new Date(Date.UTC(year, month, 0)))
  return { query: `from=${instant.slice(0, 7)}-01&to=${last}`, name: monthName(month - 1) }
}
