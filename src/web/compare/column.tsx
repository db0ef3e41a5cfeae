import { useState } from 'preact/hooks'
import type { ProviderState } from '../../client/index.ts'
import { duration, size, pixels } from '../format/facts.ts'
import { Icon } from '../parts/icon.tsx'
import { Note } from '../parts/note.tsx'
import { State, stateWord } from '../parts/state.tsx'
import { isOpen, shownState } from '../parts/shown-state.ts'
import { Fidelity } from '../parts/fidelity.tsx'
import { partText } from '../parts/billed-text.ts'
import { NoPrice, Usd } from '../parts/usd.tsx'
import { client, useMayBuy } from '../shell/gateway.ts'
import type { Drawn, Size } from './layout.ts'
import { differenceOf, isDelivered, settledText, type Part } from './part.ts'
import { factsText, Slot, type Latency } from './slot.tsx'

export interface ColumnProps {
  readonly part: Part
  readonly asked: Size
  readonly draw: (size: Size) => Drawn
  readonly prompt: string
  readonly latency: Latency | null
  readonly state: ProviderState | undefined
  readonly isRunning: boolean
  readonly isFastest: boolean
  readonly cheapest: Part | undefined
  /** Seven and more columns have receipts of two lines. */
  readonly isDense: boolean
  readonly isPicked: boolean
  readonly onPick: () => void
  readonly onZoom: (at: number) => void
  readonly onCancel: () => void
  readonly onAgain: () => void
}

/** One provider: its title and state, its slot, its receipt. */
export function Column(props: ColumnProps) {
  const { part, isDense } = props
  const { generation, row } = part
  const shown = generation === undefined ? 'ineligible' : shownState(generation)
  // Which of several images is shown: what is zoomed, saved and said is of that one.
  const [at, setAt] = useState(0)
  const shownAt = { at, onAt: setAt, onZoom: () => props.onZoom(at) }
  const isOdd = row.fidelity !== 'exact' && isDelivered(part)
  return (
    <section class={`column${isDense ? ' dense' : ''}`} aria-label={part.title}>
      <div class="column-head">
        <h2 class="strong">{part.title}</h2>
        {isDense && isOdd ? (
          <Fidelity of={row.fidelity} />
        ) : (
          <State
            shown={shown}
            {...(generation === undefined ? {} : { word: stateWord(generation) })}
            quiet={isDense && shown === 'succeeded'}
          />
        )}
      </div>
      <Slot {...props} {...shownAt} />
      <Receipt {...props} {...shownAt} />
    </section>
  )
}

type ReceiptProps = Omit<ColumnProps, 'onZoom'> & { readonly at: number; readonly onZoom: () => void }

function Receipt(props: ReceiptProps) {
  const { part, cheapest, isRunning, isFastest, isDense, asked } = props
  const { generation, row } = part
  if (generation === undefined) return <div class="receipt" />
  const difference = differenceOf(part, cheapest, isRunning, !isDense)
  const settled = settledText(generation)
  const open = isOpen(generation.status)
  const [image] = part.images
  const notThis =
    image?.width && image.height && (image.width !== asked.width || image.height !== asked.height)
      ? `${pixels(image.width, image.height)}, not ${pixels(asked.width, asked.height)}`
      : null
  return (
    <div class="receipt">
      <div class="line">
        <span class="title">
          {open ? (
            generation.cost.quoted === null ? (
              <NoPrice />
            ) : (
              <Usd amount={generation.cost.quoted} />
            )
          ) : (
            <Usd amount={generation.cost.amount} />
          )}
        </span>
        {difference === null ? null : <span class={`small ${difference.colour}`}>{difference.text}</span>}
      </div>
      <div class="line small two">
        <span class={settled.isAbove ? 'warn' : undefined}>{isDense && notThis !== null ? notThis : settled.text}</span>
        {row.total_ms === null || open ? null : (
          <span
            class={`num ${isFastest ? 'ok medium' : ''}`}
          >{`${duration(row.total_ms)}${isFastest && !isDense ? ', fastest' : ''}`}</span>
        )}
      </div>
      {isDense ? null : <div class="small two facts">{factsText(part.images[props.at], size)}</div>}
      {isDense ? null : <Notes part={part} notThis={notThis} asked={asked} />}
      <Actions {...props} open={open} />
    </div>
  )
}

function Notes({ part, notThis, asked }: { readonly part: Part; readonly notThis: string | null; readonly asked: Size }) {
  const { row, generation, images } = part
  const [image] = images
  return (
    <>
      {row.fidelity === 'near' && notThis !== null ? <div class="small warn">{notThis}</div> : null}
      {row.fidelity === 'far' && image?.width && image.height ? (
        <Note kind="amber" icon="ring">
          <b>Not the image you asked for.</b> <span class="num">{pixels(image.width, image.height)}</span> instead of{' '}
          <span class="num">{pixels(asked.width, asked.height)}</span>: {fewerText(image.width * image.height, asked)}. The dashes show the
          shape you asked for.
        </Note>
      ) : null}
      {generation !== undefined && shownState(generation) === 'part' ? <Note kind="amber">{partText(generation)}</Note> : null}
    </>
  )
}

function fewerText(made: number, asked: Size): string {
  const percent = Math.round((made * 100) / (asked.width * asked.height)) - 100
  return percent === 0 ? 'as many pixels in another shape' : percent < 0 ? `${-percent} % fewer pixels` : `${percent} % more pixels`
}

function Actions({ part, isPicked, onPick, onZoom, onCancel, onAgain, open, at }: ReceiptProps & { readonly open: boolean }) {
  const { title, generation, images } = part
  const mayBuy = useMayBuy()
  const image = images[at]
  if (generation === undefined) return null
  const story = (
    <a class="action" href={`/generations/${generation.id}`} aria-label={`Story, ${title}`}>
      <Icon name="chevron" />
      Story
    </a>
  )
  if (open && !mayBuy) return null
  if (open)
    return (
      <div class="actions">
        <button type="button" class="action" aria-label={`Cancel, ${title}`} onClick={onCancel}>
          <Icon name={['ring', 'dash']} />
          Cancel
        </button>
      </div>
    )
  return (
    <div class="actions">
      {image === undefined ? (
        mayBuy && <Again generation={generation} title={title} onAgain={onAgain} />
      ) : (
        <>
          <button
            type="button"
            class="action"
            aria-pressed={isPicked}
            aria-label={`${isPicked ? 'Favourite' : 'Pick'}, ${title}`}
            onClick={onPick}
          >
            <Icon name="heart" filled={isPicked} />
            {isPicked ? 'Favourite' : 'Pick'}
          </button>
          <button type="button" class="action" aria-label={`Zoom, ${title}`} onClick={onZoom}>
            <Icon name="zoom" />
            Zoom
          </button>
          <a
            class="action"
            href={client().imageAddress(image)}
            download={`${generation.id}.${image.format ?? 'jpg'}`}
            aria-label={`Save, ${title}`}
          >
            <Icon name="save" />
            Save
          </a>
        </>
      )}
      {story}
    </div>
  )
}

function Again({
  generation,
  title,
  onAgain,
}: {
  readonly generation: NonNullable<Part['generation']>
  readonly title: string
  readonly onAgain: () => void
}) {
  const [asks, setAsks] = useState(false)
  if (generation.error?.code === 'outcome_unknown')
    return asks ? (
      <span class="again small">
        The first may be billed too.{' '}
        <button
          type="button"
          class="button compact"
          onClick={() => {
            setAsks(false)
            onAgain()
          }}
        >
          Buy again
        </button>
      </span>
    ) : (
      <button type="button" class="action" aria-label={`Buy again, ${title}`} onClick={() => setAsks(true)}>
        <Icon name="again" />
        Buy again…
      </button>
    )
  if (generation.error?.retryable !== true) return null
  return (
    <button type="button" class="action" aria-label={`Try again, ${title}`} onClick={onAgain}>
      <Icon name="again" />
      Try again
    </button>
  )
}
