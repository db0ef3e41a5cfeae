import type { ComponentChild } from 'preact'
import { useMemo, useState } from 'preact/hooks'
import type { Comparison } from '../../client/index.ts'
import { compareUsd, isZeroUsd, multiplyUsd, subtractUsd } from '../../contract/amounts.ts'
import { duration } from '../format/facts.ts'
import { usdText } from '../format/usd.ts'
import { textOf } from '../format/text.ts'
import { Icon } from '../parts/icon.tsx'
import { State } from '../parts/state.tsx'
import { Usd } from '../parts/usd.tsx'
import { client } from '../shell/gateway.ts'
import { useKeys } from '../shell/keys.ts'
import { ChosenBlind } from './chosen-blind.tsx'
import { cheapestOf, differenceOf, isComparable, leftOutText, perImage, type Part } from './part.ts'
import { Columns } from './side-by-side.tsx'
import { addVote, drawnOrder, voteOn } from './votes.ts'
import '../styles/blind.css'

interface BlindProps {
  readonly comparison: Comparison
  readonly parts: readonly Part[]
  readonly prompt: string
  readonly onLeave: () => void
  /** Null while it cannot be asked. */
  readonly onNewSeed: (() => void) | null
}

const letter = (at: number): string => String.fromCharCode(65 + at)

/** Choosing without names, prices and times; they come after the choice, which is final. */
export function BlindVote({ comparison, parts, prompt, onLeave, onNewSeed }: BlindProps) {
  const isRunning = comparison.status === 'running'
  const voters = parts.filter(isComparable)
  const key = voters.map(({ provider }) => provider).join(' ')
  const shown = useMemo(
    () =>
      isRunning
        ? []
        : drawnOrder(
            comparison.id,
            voters.map(({ provider }) => provider),
          ).flatMap((provider) => voters.find((part) => part.provider === provider) ?? []),
    [comparison.id, isRunning, key],
  )
  const [choice, setChoice] = useState<string | null | undefined>(voteOn(comparison.sandbox, comparison.id)?.chosen)
  const model = textOf(comparison.request['model'])
  const choose = (provider: string | null) => {
    if (choice !== undefined || shown.length < 2) return
    setChoice(provider)
    addVote(comparison.sandbox, { comparison: comparison.id, model, shown: shown.map((part) => part.provider), chosen: provider })
  }
  useKeys({
    ...Object.fromEntries(shown.slice(0, 9).map(({ provider }, at) => [String(at + 1), () => choose(provider)])),
    0: () => choose(null),
    Escape: onLeave,
  })
  const left = leftOutText(parts)
  return (
    <div class="blind">
      <div class="blind-head">
        <div>
          <h2 class="title">Which one would you use?</h2>
          <p class="two prompt-said" dir="auto" tabIndex={0}>
            “{prompt}”
          </p>
        </div>
        <span class="small two">
          {left === '' || isRunning || shown.length < 2 ? '' : `${left.charAt(0).toUpperCase()}${left.slice(1)}. `}Names, prices and times
          come after your choice. The order is drawn by lot.
        </span>
        <button type="button" class="button" onClick={onLeave}>
          Leave blind vote
        </button>
      </div>
      {isRunning ? (
        <p class="card empty">
          <State shown="running" word="The images appear together when all have ended." />
        </p>
      ) : shown.length < 2 ? (
        // A vote for the only one would count as chosen over nobody.
        <p class="card empty">There are no two images to choose between{left === '' ? '' : `: ${left}`}.</p>
      ) : (
        <>
          <Columns count={shown.length}>
            {shown.map((part, at) => (
              <Candidate
                key={part.provider}
                part={part}
                name={letter(at)}
                at={at}
                prompt={prompt}
                choice={choice}
                cheapest={cheapestOf(shown)}
                onChoose={() => choose(part.provider)}
              />
            ))}
          </Columns>
          {choice === undefined ? (
            <p class="nobody">
              <button type="button" class="action" onClick={() => choose(null)}>
                No favourite <span class="kbd">0</span>
              </button>
            </p>
          ) : (
            <div class="after">
              <div>
                <p class="after-text">{choiceText(shown, choice)}</p>
                <button type="button" class="button" disabled={onNewSeed === null} onClick={() => onNewSeed?.()}>
                  <Icon name="again" />
                  Vote on a new seed
                </button>
              </div>
              <ChosenBlind sandbox={comparison.sandbox} model={model} parts={parts} />
            </div>
          )}
        </>
      )}
    </div>
  )
}

interface CandidateProps {
  readonly part: Part
  readonly name: string
  readonly at: number
  readonly prompt: string
  /** Null is nobody; undefined while nothing is chosen. */
  readonly choice: string | null | undefined
  readonly cheapest: Part | undefined
  readonly onChoose: () => void
}

function Candidate({ part, name, at, prompt, choice, cheapest, onChoose }: CandidateProps) {
  const { row, title } = part
  const [image] = part.images
  const isChosen = choice === part.provider
  const difference = differenceOf(part, cheapest, false, false)
  return (
    <section class="candidate" aria-label={`Image ${name}`}>
      {image === undefined ? null : (
        <img src={client().imageAddress(image)} alt={prompt} width={image.width ?? 1024} height={image.height ?? 1024} />
      )}
      {choice === undefined ? (
        <button type="button" class="button choose" onClick={onChoose}>
          Choose {name} <span class="kbd">{at + 1}</span>
        </button>
      ) : (
        <div class={`was${isChosen ? ' chosen' : ''}`}>
          <div class="line">
            <span>
              <span class="three">{name} was</span> <b>{title}</b>
            </span>
            {isChosen ? (
              <span class="small strong">
                <Icon name="heart" filled /> Your choice
              </span>
            ) : null}
          </div>
          <div class="line">
            <span class="title">
              <Usd amount={row.amount} />
            </span>
            {difference === null ? null : <span class={`small ${difference.colour}`}>{difference.text}</span>}
          </div>
          <div class="small two">{row.total_ms === null ? '' : duration(row.total_ms)}</div>
        </div>
      )}
    </section>
  )
}

/** `Your choice costs $0.0165 per image more than the cheapest. A thousand images: $16.50.` */
function choiceText(shown: readonly Part[], provider: string | null): ComponentChild {
  const chosen = shown.find((part) => part.provider === provider)
  if (chosen === undefined) return 'No favourite: nobody is counted as chosen.'
  const own = perImage(chosen)
  const [cheapest] = shown.flatMap((part) => perImage(part) ?? []).toSorted(compareUsd)
  if (chosen.row.amount === null) return 'What your choice costs is not known.'
  if (own === null || cheapest === undefined) return 'One image of your choice has no price that can be written without rounding.'
  const more = subtractUsd(own, cheapest)
  if (isZeroUsd(more)) return 'Your choice is the cheapest.'
  return (
    <>
      Your choice costs <b>{usdText(more)}</b> per image more than the cheapest.{' '}
      <span class="two">A thousand images: {usdText(multiplyUsd(more, 1_000))}.</span>
    </>
  )
}
