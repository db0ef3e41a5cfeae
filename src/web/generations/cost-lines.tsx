import type { Generation } from '../../client/index.ts'
import { count } from '../format/facts.ts'
import { settledText } from '../compare/part.ts'
import { decimalsOfAll, Usd } from '../parts/usd.tsx'
import { isOpen } from '../parts/state.tsx'

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** What was paid for, line by line, and the sum as the provider said it or as it was computed. */
export function CostLines({ generation, title }: { readonly generation: Generation; readonly title: string }) {
  const { lines, amount, quoted } = generation.cost
  const open = isOpen(generation.status)
  const settled = settledText(generation)
  const [basis, ...rest] = settled.text.split(', ')
  const decimals = decimalsOfAll([...lines.map((line) => line.amount), open ? quoted : amount])
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
        {lines.map((line) => (
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
      <tfoot>
        <tr>
          <td colSpan={3}>
            <b>{open ? `Quoted by ${title}` : amount === null ? 'Cost' : `${capital(basis ?? '')} ${title === '' ? '' : `by ${title}`}`}</b>
            {rest.length === 0 || open ? null : <span class={settled.isAbove ? 'warn' : 'two'}> · {rest.join(', ')}</span>}
          </td>
          <td class="num strong">
            <Usd amount={open ? quoted : amount} decimals={decimals} />
          </td>
        </tr>
      </tfoot>
    </table>
  )
}
