import { plural } from '../format/facts.ts'
import { Usd } from '../parts/usd.tsx'
import { useTitles } from '../shell/gateway.ts'
import { perImage, type Part } from './part.ts'
import { openPicksOf } from './pick.ts'
import { inseparable, talliesOf, votesOf } from './votes.ts'

/** How often each was chosen of the times it was shown, and who cannot be kept apart yet. */
export function ChosenBlind({
  sandbox,
  model,
  parts,
}: {
  readonly sandbox: boolean
  readonly model: string
  readonly parts: readonly Part[]
}) {
  const titles = useTitles()
  const votes = votesOf(sandbox, model)
  const tallies = talliesOf(votes)
  const pairs = inseparable(votes, tallies)
  const open = openPicksOf(sandbox, model)
  return (
    <div>
      <table class="chosen-blind" aria-label="Chosen blind">
        <thead>
          <tr>
            <th scope="col">Chosen blind, {model}</th>
            <th scope="col" class="num">
              Times
            </th>
            <th scope="col">
              <span class="hidden">Share</span>
            </th>
            <th scope="col" class="num">
              Per image
            </th>
          </tr>
        </thead>
        <tbody>
          {tallies.map(({ provider, chosen, shown }) => {
            const part = parts.find((one) => one.provider === provider)
            return (
              <tr key={provider}>
                <td class="medium">{titles(provider)}</td>
                <td class="num">
                  {chosen} <span class="two">of {shown}</span>
                </td>
                <td class="share">
                  <span>
                    <span style={{ width: `${(chosen * 100) / shown}%` }} />
                  </span>
                </td>
                <td class="num">{part === undefined ? '' : <Usd amount={perImage(part)} />}</td>
              </tr>
            )
          })}
        </tbody>
      </table>
      <p class="small three">
        {plural(votes.length, 'vote')}, kept in this browser{sandbox ? ', those of the sandbox apart' : ''}.{' '}
        {pairs
          .slice(0, 3)
          .map(([one, other]) => `Too few votes to separate ${titles(one)} from ${titles(other)}.`)
          .join(' ')}
        {open.length === 0
          ? ''
          : ` Open picks are counted apart: ${open.map(([provider, times]) => `${titles(provider)} ${times}`).join(', ')}.`}
      </p>
    </div>
  )
}
