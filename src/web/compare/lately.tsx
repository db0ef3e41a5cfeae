import { useQuery } from '@tanstack/preact-query'
import type { Comparison, Generation } from '../../client/index.ts'
import { sumUsd } from '../../contract/amounts.ts'
import { textOf } from '../format/text.ts'
import { Unknown, Usd } from '../parts/usd.tsx'
import { Thumbnail } from '../parts/thumbnail.tsx'
import { client, useTitles } from '../shell/gateway.ts'
import { outcomeOf, partsOf } from './part.ts'

const SIX = 6
const NOTHING_AGAIN = new Map<string, Generation>()
const PROMPTS = [
  'a red fox on a hill at first light, misty spruce valleys behind, storybook style',
  'packshot of a blue glass bottle on slate, soft window light, 85 mm',
  'a poster that says “OPEN LATE” in hand-painted letters, two colours',
]

export const useLately = () => useQuery({ queryKey: ['lately'], queryFn: () => client().comparisons({ limit: SIX }), staleTime: 10_000 })

/** The newest comparisons; on a first visit prompts to try. */
export function Lately({ onPrompt }: { readonly onPrompt: (prompt: string) => void }) {
  const { data } = useLately()
  const titles = useTitles()
  if (data === undefined) return <section class="lately" aria-busy="true" />
  if (data.data.length === 0)
    return (
      <section class="lately">
        <h2 class="head">To begin with</h2>
        <div class="prompts">
          {PROMPTS.map((prompt) => (
            <button key={prompt} type="button" class="card" onClick={() => onPrompt(prompt)}>
              {prompt}
            </button>
          ))}
        </div>
      </section>
    )
  return (
    <section class="lately">
      <div class="top">
        <h2 class="head">Lately</h2>
        <a class="small" href="/generations">
          All generations
        </a>
      </div>
      <ul>
        {data.data.map((comparison) => (
          <Recent key={comparison.id} comparison={comparison} titles={titles} />
        ))}
      </ul>
    </section>
  )
}

function Recent({ comparison, titles }: { readonly comparison: Comparison; readonly titles: (id: string) => string }) {
  const { summary, generations, request } = comparison
  const delivered = generations.find(({ images }) => images.length > 0)
  const only = summary.length === 1 ? summary[0] : undefined
  const { unknown } = outcomeOf(partsOf(comparison, titles, NOTHING_AGAIN))
  const known = summary.flatMap(({ amount }) => (amount === null ? [] : [amount]))
  return (
    <li>
      <a href={`/?c=${comparison.id}`}>
        <Thumbnail image={delivered?.images[0]} width={220} height={104} />
        <span class="one-line small" dir="auto">
          {textOf(request['prompt'])}
        </span>
      </a>
      <span class="fine two">
        <span>{only === undefined ? `${summary.length} providers` : titles(only.provider)}</span>
        <span>
          <Usd amount={known.length === 0 ? null : sumUsd(known)} why="None of them is known yet." />
          {known.length === 0 || unknown === 0 ? null : (
            <>
              {' '}
              <Unknown why="What these cost is not known; they are in no sum.">{`+ ${unknown} unknown`}</Unknown>
            </>
          )}
        </span>
      </span>
    </li>
  )
}
