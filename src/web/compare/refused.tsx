import type { Quote } from '../../client/index.ts'
import { compareUsd } from '../../contract/amounts.ts'
import { Note } from '../parts/note.tsx'
import { RequestId } from '../parts/problem.tsx'
import { useCurrentKey } from '../shell/gateway.ts'
import { overBudget, type Refusal } from './refusal.ts'

export const Refused = ({ kind, head, text, of }: Refusal) => (
  <div class="quotes-note">
    <Note kind={kind} alert>
      <b>{head}</b> {text} <RequestId of={of} />
    </Note>
  </div>
)

/** Where no offer can take the request. Each row has its own reason; where that is the budget of the key, it is said once for all. */
export function NoOffer({ quote }: { readonly quote: Quote }) {
  const budget = useCurrentKey()?.budget ?? null
  const tooDear = quote.offers.filter(({ reasons }) => reasons.length === 1 && reasons[0]?.startsWith('budget: ') === true)
  if (budget === null || tooDear.length === 0)
    return <Refused kind="red" head="No provider can take this request." text="Each row says why." />
  const [least = null] = tooDear.flatMap(({ cost }) => (cost === null ? [] : [cost.amount])).toSorted(compareUsd)
  return <Refused {...overBudget(budget, least)} />
}
