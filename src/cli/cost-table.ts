import { compareUsd } from '#contract'
import type { BudgetState, CostFigures, CostReport, WhatIf } from '#contract'
import { table } from './table.ts'

/** What the report is about; groups and their sum; what the same would have cost elsewhere and who is cheapest; budgets. */
export function costReport(report: CostReport): string {
  const { groups, total, group_by: groupBy, budgets, what_if: whatIf } = report
  const title = titleOf(report)
  const budgetLines = budgets.map(budgetLine)
  if (total.attempts === 0) return [`${title}: nothing was bought.`, ...budgetLines].join('\n')
  const head = [...groupBy, 'spent', 'generations', 'images', 'an image', 'wasted', 'cost unknown', 'bill against quote', 'cheapest']
  const rows = groups.map(({ group, ...figures }) => [...groupBy.map((name) => group[name] ?? '–'), ...figureCells(figures)])
  const sum = [...groupBy.map((_, index) => (index === 0 ? 'all' : '')), ...figureCells(total)]
  const elsewhere = whatIf.length === 0 ? [] : ['', 'The same images elsewhere, at the prices of today', '', whatIfTable(whatIf)]
  return [
    title,
    '',
    table(head, [...rows, sum]),
    ...elsewhere,
    ...['', cheapestSentence(report)].filter((_, __, lines) => lines[1] !== ''),
    ...(budgetLines.length > 0 ? ['', ...budgetLines] : []),
  ].join('\n')
}

/** `Costs of 2026-10, model flux-2-pro, 2 megapixels` */
function titleOf({ from, to, filters }: CostReport): string {
  const { metadata = {}, megapixels, ...named } = filters
  const asked = [
    ...Object.entries(named).map(([name, value]) => `${name} ${value}`),
    ...(megapixels === undefined ? [] : [`${megapixels} ${megapixels === 1 ? 'megapixel' : 'megapixels'}`]),
    ...Object.entries(metadata).map(([name, value]) => `${name}=${value}`),
  ]
  return ['Costs', spanOf(from, to), asked.length === 0 ? '' : `of ${asked.join(', ')}`].filter((part) => part !== '').join(' ')
}

const DAY_MS = 86_400_000

/** A whole month by its name, days as days (UTC), other instants as they are. */
function spanOf(from: string | null, to: string | null): string {
  if (from === null && to === null) return ''
  if (from !== null && to !== null && isMonth(from, to)) return `in ${from.slice(0, 7)}`
  const since = from === null ? '' : `from ${isMidnight(from) ? from.slice(0, 10) : from}`
  const until = to === null ? '' : `to ${isMidnight(to) ? new Date(Date.parse(to) - DAY_MS).toISOString().slice(0, 10) : to}`
  return [since, until].filter((part) => part !== '').join(' ')
}

const isMidnight = (instant: string): boolean => instant.endsWith('T00:00:00.000Z')

function isMonth(from: string, to: string): boolean {
  const start = new Date(from)
  const next = new Date(Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + 1))
  return from.endsWith('-01T00:00:00.000Z') && next.toISOString() === to
}

function figureCells(figures: CostFigures): readonly string[] {
  const { spend, generations, images, cost_per_image: each, wasted, unknown_cost_generations: unknown, drift, cheapest } = figures
  return [
    `$${spend}`,
    String(generations),
    String(images),
    each === null ? '–' : `$${each}`,
    wasted.unknown === '0' ? `$${wasted.amount}` : `$${wasted.amount} (+ $${wasted.unknown} perhaps)`,
    String(unknown),
    drift.percent === null ? '–' : `$${drift.amount} (${drift.percent})`,
    cheapest === null ? '–' : `${cheapest.provider} ${cheapest.vs_spent ?? ''}`.trim(),
  ]
}

function whatIfTable(rows: readonly WhatIf[]): string {
  const cells = rows.map((row) => [
    row.rank === null ? '–' : String(row.rank),
    row.provider,
    row.amount === null ? '–' : `$${row.amount}`,
    row.amount === null ? '–' : `$${row.spent}`,
    row.vs_spent ?? '–',
    row.vs_cheapest ?? '–',
    String(row.images),
    row.leaves_out.length === 0 ? '–' : row.leaves_out.map(({ images, reason }) => `${images}: ${reason}`).join('; '),
  ])
  return table(['rank', 'provider', 'there', 'here', 'difference', 'to the cheapest', 'images', 'leaves out'], cells)
}

/** Who is cheapest and by how much; empty where nothing was delivered. */
function cheapestSentence(report: CostReport): string {
  const { cheapest, from, to, total } = report
  const span = spanOf(from, to)
  if (cheapest === null) return total.images === 0 ? '' : 'No provider covers all of these images, so none is called the cheapest.'
  const { provider, amount, saving, vs_spent: percent, images, next } = cheapest
  const sign = compareUsd(saving, '0')
  const difference = `$${saving.replace(/^-/, '')}`
  const share = percent === null ? '' : ` (${percent})`
  const what = `${span === '' ? '' : `${span} `}for ${images === 1 ? 'this 1 image' : `these ${images} images`}`
  const second = next === null ? '' : ` Next: ${next.provider} at $${next.amount}, $${next.difference} more (${next.vs_cheapest ?? '–'}).`
  if (sign < 0)
    return `What was spent ${what} is less than anybody asks today. The cheapest is ${provider} at $${amount}, ${difference} more than was spent${share}.${second}`
  const against = sign === 0 ? 'which is what was spent' : `${difference} less than was spent${share}`
  return `Cheapest ${what}: ${provider} at $${amount}, ${against}.${second}`
}

const budgetLine = ({ key, limit, period, used, left, renews_at: renewsAt }: BudgetState): string =>
  `budget of ${key}: $${left} of $${limit} left, $${used} used (${period === 'total' ? 'in total' : `a ${period}, anew at ${renewsAt ?? '–'}`})`
