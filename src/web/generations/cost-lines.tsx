import type { ComponentChildren } from 'preact'
import type { Generation } from '../../client/index.ts'
import { count } from '../format/facts.ts'
import { settledText } from '../compare/part.ts'
import { decimalsOfAll, Usd } from '../parts/usd.tsx'
import { isOpen } from '../parts/shown-state.ts'

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

interface CostLinesProps {
  readonly generation: Generation
  readonly title: string
  readonly isPhone: boolean
}

/** What was paid for, line by line, and the sum as the provider said it or as it was computed; on a phone the sum stands first. */
export function CostLines({ generation, title, isPhone }: CostLinesProps) {
  const { lines, amount, quoted } = generation.cost
  const open = isOpen(generation.status)
  const settled = settledText(generation)
  const [basis, ...rest] = settled.text.split(', ')
  const sum = open ? quoted : amount
  const decimals = decimalsOfAll([...lines.map((line) => line.amount), sum])
  const head = open ? `Quoted by ${title}` : amount === null ? 'Cost' : `${capital(basis ?? '')} ${title === '' ? '' : `by ${title}`}`
  const beside = rest.length === 0 || open ? '' : rest.join(', ')
  if (isPhone)
    return (
      <div class="one-receipt">
        <div class="title">
          <Usd amount={sum} />
        </div>
        <div class={`small ${settled.isAbove ? 'warn' : 'two'}`}>{[head, beside].filter((text) => text !== '').join(', ')}</div>
        {lines.length === 0 ? null : <Lines of={generation} decimals={decimals} />}
      </div>
    )
  return (
    <Lines of={generation} decimals={decimals}>
      <tfoot>
        <tr>
          <td colSpan={3}>
            <b>{head}</b>
            {beside === '' ? null : <span class={settled.isAbove ? 'warn' : 'two'}> · {beside}</span>}
          </td>
          <td class="num strong">
            <Usd amount={sum} decimals={decimals} />
          </td>
        </tr>
      </tfoot>
    </Lines>
  )
}

interface LinesProps {
  readonly of: Generation
  readonly decimals: number
  readonly children?: ComponentChildren
}

function Lines({ of, decimals, children }: LinesProps) {
  return (
    <table class="cost-lines" aria-label="Cost">
      <thead>
        <tr>
          <th scope="col">What</th>
          <th scope="col" class="num">
            Times
          </th>
          <th scope="col" class="num">
            At
          </th>
          <th scope="col" class="num">
            Amount
          </th>
        </tr>
      </thead>
      <tbody>
        {of.cost.lines.map((line) => (
          <tr key={line.what}>
            <td>{capital(line.what)}</td>
            <td class="num two">{count(line.quantity)}</td>
            <td class="num two">
              <Usd amount={line.unit_amount} />
            </td>
            <td class="num">
              <Usd amount={line.amount} decimals={decimals} />
            </td>
          </tr>
        ))}
      </tbody>
      {children}
    </table>
  )
}
