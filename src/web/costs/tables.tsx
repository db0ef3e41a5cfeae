import type { CostGroup, CostReport, WhatIf } from '../../client/index.ts'
import { isZeroUsd, subtractUsd } from '../../contract/amounts.ts'
import { count } from '../format/facts.ts'
import { percentText } from '../format/usd.ts'
import { decimalsOfAll, Unknown, Usd } from '../parts/usd.tsx'
import type { Series } from './series.ts'

type Figures = CostReport['total']

/** A percentage as a number, for a bar's length alone. */
const percentNumber = (percent: string | null): number => (percent === null ? 0 : Number.parseFloat(percent))
const AMBER_FROM = 1
const MOST_DRIFT = 10

interface CostsTableProps {
  readonly rows: readonly (Series & { readonly group: CostGroup })[]
  readonly total: Figures
  readonly name: (id: string) => string
  readonly heading: string
  /** Who publishes no price for anything: nothing of it is ever quoted. */
  readonly unquoted: ReadonlySet<string>
}

export function CostsTable({ rows, total, name, heading, unquoted }: CostsTableProps) {
  const all = [...rows.map(({ group }) => group), total]
  const spent = decimalsOfAll(all.map(({ spend }) => spend))
  const each = decimalsOfAll(all.map((one) => one.cost_per_image))
  const wasted = decimalsOfAll(all.map((one) => one.wasted.amount))
  const heads = ['Spent', 'Cost unknown', 'Images', 'Per image', 'Wasted', 'Billed against quoted']
  return (
    <div class="card scrolls" tabIndex={0} role="region" aria-label="Costs in figures">
      <table class="plain-table costs-table" aria-label="Costs">
        <thead>
          <tr>
            <th scope="col">{heading}</th>
            {heads.map((head) => (
              <th key={head} scope="col" class="num">
                {head}
              </th>
            ))}
            <th scope="col">
              <span class="hidden">Drift</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ id, colour, group }) => (
            <tr key={id}>
              <td class="medium">
                <span class="swatch" style={{ background: colour }} /> {name(id) || '(none)'}
              </td>
              <FigureCells of={group} {...{ spent, each, wasted }} hasQuotes={!unquoted.has(id)} />
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <td class="strong">All</td>
            <FigureCells of={total} {...{ spent, each, wasted }} hasQuotes />
          </tr>
        </tfoot>
      </table>
    </div>
  )
}

interface CellsProps {
  readonly of: Figures
  readonly spent: number
  readonly each: number
  readonly wasted: number
  readonly hasQuotes: boolean
}

function FigureCells({ of, spent, each, wasted, hasQuotes }: CellsProps) {
  const { percent } = of.drift
  return (
    <>
      <td class="num strong spent">
        <Usd amount={of.spend} decimals={spent} />
      </td>
      <td class="num small unknown-count">
        {of.unknown_cost_generations === 0 ? (
          ''
        ) : (
          <Unknown why="The providers did not say what these cost; they are in no sum.">{`+ ${count(of.unknown_cost_generations)}`}</Unknown>
        )}
      </td>
      <td class={`num images ${of.images === 1 ? 'single' : ''}`}>{count(of.images)}</td>
      <td class="num each">
        {of.cost_per_image !== null ? (
          <Usd amount={of.cost_per_image} decimals={each} />
        ) : of.images > 0 ? (
          <Unknown why="The providers did not say what these images cost.">unknown</Unknown>
        ) : (
          ''
        )}
      </td>
      <td class="num two wasted">
        <Usd amount={of.wasted.amount} decimals={wasted} />
      </td>
      <td class={`num drift ${Math.abs(percentNumber(percent)) >= AMBER_FROM ? 'warn medium' : 'two'}`}>
        {percent === null && !hasQuotes ? 'no quotes' : driftText(percent)}
      </td>
      <td class="drift-mark">{percent === null ? null : <Drift percent={percentNumber(percent)} />}</td>
    </>
  )
}

/** Quoted, and not billed by the provider itself; or of several, where the report does not say which. */
export const NOTHING_TO_COMPARE = 'nothing to compare'

export const driftText = (percent: string | null): string =>
  percent === null ? NOTHING_TO_COMPARE : /^[+-]0(\.0+)?%$/.test(percent) ? 'as quoted' : percentText(percent)

/** A dot beside a line at nothing: how far what was billed is from what was quoted. */
function Drift({ percent }: { readonly percent: number }) {
  const off = (Math.max(-MOST_DRIFT, Math.min(MOST_DRIFT, percent)) * 40) / MOST_DRIFT
  return (
    <svg class="drift-svg" viewBox="-44 0 88 16" width="88" height="16" aria-hidden="true">
      <path d="M0 2V14" stroke="var(--edge)" />
      <path d={`M0 8H${off}`} stroke="var(--ink)" stroke-width="1.500" />
      <circle cx={off} cy="8" r="2.800" fill="var(--ink)" />
    </svg>
  )
}

/** What the same images would have cost elsewhere. Each line compares only what that provider can make as asked. */
export function WhatIfTable({
  rows,
  total,
  name,
}: {
  readonly rows: readonly WhatIf[]
  readonly total: number
  readonly name: (id: string) => string
}) {
  const sorted = rows.toSorted(byCoverage)
  const there = decimalsOfAll(rows.map(({ amount }) => amount))
  const paid = decimalsOfAll(rows.map(({ spent }) => spent))
  const by = decimalsOfAll(rows.map(({ amount, spent }) => (amount === null ? null : subtractUsd(amount, spent))))
  return (
    <section class="card">
      <div class="table-head">
        <h2 class="head">What it would have cost</h2>
        <p class="small two">
          The same images at each provider’s price today. Each line compares only what that provider can make as asked: those that price the
          most images come first, the cheapest of them before the others.
        </p>
      </div>
      <div class="scrolls" tabIndex={0} role="region" aria-label="What it would have cost, in figures">
        <table class="plain-table what-if" aria-label="What it would have cost">
          <thead>
            <tr>
              <th scope="col">At</th>
              <th scope="col" class="num">
                Images it prices
              </th>
              <th scope="col">Left out</th>
              <th scope="col" class="num">
                There
              </th>
              <th scope="col" class="num">
                You paid for these
              </th>
              <th scope="col" class="num" colSpan={2}>
                Difference
              </th>
              <th scope="col">
                <span class="hidden">Bar</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {sorted.map((row) => (
              <WhatIfRow key={row.provider} row={row} total={total} title={name(row.provider)} there={there} paid={paid} by={by} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}

/** What prices one image of many says little of them all, however cheap it is. Who prices nothing is last. */
const byCoverage = (one: WhatIf, other: WhatIf): number =>
  priced(other) - priced(one) || percentNumber(one.vs_spent) - percentNumber(other.vs_spent)
const priced = ({ amount, images }: WhatIf): number => (amount === null ? -1 : images)

function leftOut({ not_priced: notPriced, cost_unknown: unknown }: WhatIf): string {
  const parts = [notPriced === 0 ? '' : `${count(notPriced)} not priced`, unknown === 0 ? '' : `${count(unknown)} unknown`].filter(
    (part) => part !== '',
  )
  return parts.length === 0 ? 'none' : parts.join(', ')
}

interface WhatIfRowProps {
  readonly row: WhatIf
  readonly total: number
  readonly title: string
  readonly there: number
  readonly paid: number
  readonly by: number
}

function WhatIfRow({ row, total, title, there, paid, by }: WhatIfRowProps) {
  const { amount, spent, images, vs_spent: percent } = row
  const reasons = row.leaves_out.map(({ images: left, reason }) => `${left}: ${reason}`).join('\n')
  const difference = amount === null ? null : subtractUsd(amount, spent)
  const isLess = difference !== null && difference.startsWith('-')
  return (
    <tr>
      <td class="medium">{title}</td>
      <td class="num of">
        {count(images)} <span class="two">of {count(total)}</span>
      </td>
      <td class="small two left" title={reasons}>
        {leftOut(row)}
      </td>
      {amount === null || difference === null ? (
        <td class="small two none" colSpan={5}>
          no price for any of them
        </td>
      ) : (
        <>
          <td class="num strong there">
            <Usd amount={amount} decimals={there} />
          </td>
          <td class="num paid">
            <Usd amount={spent} decimals={paid} />
          </td>
          <td class={`num by ${isLess ? 'ok' : ''}`}>
            {isZeroUsd(difference) ? 'same' : <Usd amount={difference} sign="+" decimals={by} />}
          </td>
          <td class="num two percent">{percent === null || isZeroUsd(difference) ? '' : percentText(percent)}</td>
          <td class="difference-bar">
            <DifferenceBar percent={percentNumber(percent)} />
          </td>
        </>
      )}
    </tr>
  )
}

/** Less to the left, more to the right of a line at nothing. */
function DifferenceBar({ percent }: { readonly percent: number }) {
  const length = Math.min(44, Math.abs(percent) * 2)
  return (
    <svg viewBox="-46 0 92 16" width="92" height="16" aria-hidden="true">
      <rect x={percent < 0 ? -length : 0} y="5" width={length} height="6" fill={percent < 0 ? 'var(--ok)' : 'var(--ink-3)'} />
      <path d="M0 2V14" stroke="var(--edge)" />
    </svg>
  )
}
