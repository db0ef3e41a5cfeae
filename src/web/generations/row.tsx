import type { Generation } from '../../client/index.ts'
import { duration } from '../format/facts.ts'
import { textOf } from '../format/text.ts'
import { State, StateIcon, stateWord } from '../parts/state.tsx'
import { isOpen, shownState } from '../parts/shown-state.ts'
import { Thumbnail } from '../parts/thumbnail.tsx'
import { NoPrice, Usd } from '../parts/usd.tsx'
import { When } from '../parts/when.tsx'
import { useElapsed } from '../shell/elapsed.ts'
import { specialText } from './special.ts'

interface RowProps {
  readonly generation: Generation
  readonly titles: (id: string | null) => string
  /** How many were compared together; 0: it was none of a comparison; null: not all of them are in view. */
  readonly compared: number | null
  /** Digits behind the point of the longest amount of the column. */
  readonly decimals: number
}

const Elapsed = ({ since }: { readonly since: string }) => <>{duration(useElapsed(since))}</>

/** One generation of the list. Its prompt is the link and comes first in reading order. */
export function GenerationRow({ generation, titles, compared, decimals }: RowProps) {
  const { id, images, status, cost, timing, provider, created_at: createdAt } = generation
  const shown = shownState(generation)
  const open = isOpen(status)
  const special =
    specialText(generation, titles) || (compared === null ? 'Compared with others.' : compared > 1 ? `One of ${compared} compared.` : '')
  return (
    <tr>
      <td class="what">
        <a href={`/generations/${id}`} class="medium one-line" dir="auto">
          {textOf(generation.request['prompt']) || '(no prompt)'}
        </a>
        <span class="small two one-line">
          <span class="three">{textOf(generation.request['model'])}</span>
          {special === '' ? '' : ` · ${special}`}
        </span>
      </td>
      <td class="thumb-cell">
        {images.length > 0 ? (
          <Thumbnail image={images[0]} width={96} height={64} />
        ) : (
          <span class={`thumbnail no-image ${shown}`}>
            {open ? null : <StateIcon shown={shown} />}
            {generation.progress !== null && open ? (
              <span class="progress">
                <span style={{ width: `${generation.progress * 100}%` }} />
              </span>
            ) : null}
          </span>
        )}
      </td>
      <td class="state-cell">
        <State shown={shown} word={stateWord(generation)} />
      </td>
      <td class="provider-cell two">{titles(provider)}</td>
      <td class="num cost-cell">
        {open ? (
          <span class="three">
            {cost.quoted === null ? <NoPrice /> : <Usd amount={cost.quoted} decimals={decimals} />}
            <span class="fine quoted">quoted</span>
          </span>
        ) : (
          <Usd amount={cost.amount} decimals={decimals} />
        )}
      </td>
      <td class="num two time-cell">
        {timing.total_ms !== null ? duration(timing.total_ms) : open ? <Elapsed since={generation.started_at ?? createdAt} /> : ''}
      </td>
      <td class="num two when-cell">
        <When at={createdAt} />
      </td>
    </tr>
  )
}
