import { useState } from 'preact/hooks'
import type { Generation, Image, ProviderState } from '../../client/index.ts'
import { duration, formatName, pixels } from '../format/facts.ts'
import { sentence } from '../format/text.ts'
import { Billed } from '../parts/billed.tsx'
import { StateIcon } from '../parts/state.tsx'
import { shownState } from '../parts/shown-state.ts'
import { Icon } from '../parts/icon.tsx'
import { client } from '../shell/gateway.ts'
import { useElapsed } from '../shell/elapsed.ts'
import { usePartial } from '../shell/partials.ts'
import type { Drawn, Size } from './layout.ts'
import type { Part } from './part.ts'

export interface Latency {
  readonly p50: number
  readonly p95: number
  readonly samples: number
}

interface SlotProps {
  readonly part: Part
  readonly asked: Size
  readonly draw: (size: Size) => Drawn
  readonly prompt: string
  readonly latency: Latency | null
  readonly state: ProviderState | undefined
  /** Which of its images is shown, from 0. */
  readonly at: number
  readonly onAt: (at: number) => void
  readonly onZoom: () => void
}

/** One provider's image, or what stands in its slot: always of the shape that was asked for. */
export function Slot(props: SlotProps) {
  const { part, asked, at, onAt } = props
  const shown = part.generation === undefined ? 'ineligible' : shownState(part.generation)
  const isWaiting = shown === 'queued' || shown === 'running'
  const turn = (event: KeyboardEvent) => {
    const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0
    const { length } = part.images
    if (by === 0 || length < 2) return
    event.preventDefault()
    onAt((at + by + length) % length)
  }
  return (
    <div
      onKeyDown={turn}
      class={`slot ${part.images.length > 0 ? 'filled' : isWaiting ? 'waiting' : 'text'} ${shown}`}
      style={{ aspectRatio: `${asked.width} / ${asked.height}` }}
    >
      {part.images.length > 0 ? (
        <Images {...props} />
      ) : part.generation === undefined ? (
        <Never part={part} />
      ) : isWaiting ? (
        <>
          <OnItsWay of={part.generation} />
          <Waiting {...props} generation={part.generation} />
        </>
      ) : (
        <Ended generation={part.generation} title={part.title} />
      )}
    </div>
  )
}

function Images({ part, asked, draw, prompt, at, onAt, onZoom }: SlotProps) {
  const [gone, setGone] = useState<string | null>(null)
  const { images, row } = part
  const image = images[at]
  if (image === undefined) return null
  const size = { width: image.width ?? asked.width, height: image.height ?? asked.height }
  const drawn = draw(size)
  const frame = draw(asked)
  const step = (by: number) => onAt((at + by + images.length) % images.length)
  return (
    <>
      {row.fidelity === 'far' ? <span class="asked-frame" style={{ width: `${frame.width}%`, height: `${frame.height}%` }} /> : null}
      {gone === image.id ? (
        <span class="said-in-slot">No longer stored.</span>
      ) : (
        <button
          type="button"
          class="image"
          aria-label={`Zoom into the image, ${part.title}`}
          style={{ width: `${drawn.width}%`, height: `${drawn.height}%` }}
          onClick={onZoom}
        >
          <img
            src={client().imageAddress(image)}
            alt={prompt}
            width={size.width}
            height={size.height}
            loading="lazy"
            decoding="async"
            onError={() => setGone(image.id)}
          />
        </button>
      )}
      {images.length > 1 ? (
        <span class="strip">
          <button type="button" class="tool" aria-label={`Image before, ${part.title}`} onClick={() => step(-1)}>
            <Icon name="left" />
          </button>
          <span class="num">{`${at + 1} of ${images.length}`}</span>
          <button type="button" class="tool" aria-label={`Next image, ${part.title}`} onClick={() => step(1)}>
            <Icon name="chevron" />
          </button>
        </span>
      ) : null}
    </>
  )
}

/** The image as far as the vendor has it, where it shows one on its way; what stands in the slot stays over it, on a plate. */
export function OnItsWay({ of: { id, attempts } }: { readonly of: Generation }) {
  const address = usePartial(id, attempts.length)
  return address === undefined ? null : <img class="partial" src={address} alt="On its way, not the result" />
}

const STEPS = ['Queued', 'Submitted', 'Running', 'Storing'] as const
const STEP_OF = { queued: 'Queued', submitting: 'Submitted', pending: 'Running', collecting: 'Storing' } as const

function Waiting({ generation, latency, state }: SlotProps & { readonly generation: Generation }) {
  const elapsed = useElapsed(generation.started_at ?? generation.created_at)
  const status = generation.attempts.at(-1)?.status ?? 'queued'
  const current = status in STEP_OF ? STEP_OF[status as keyof typeof STEP_OF] : 'Queued'
  const isFull = state !== undefined && state.in_flight >= state.max_in_flight
  const usual =
    latency === null || latency.samples < 5
      ? null
      : `Usually ${duration(latency.p50)}${latency.samples < 20 ? '' : `; 19 in 20 within ${duration(latency.p95)}`}.`
  return (
    <div class="words">
      <span class="clock num">{current === 'Queued' ? 'Waiting' : duration(elapsed)}</span>
      <span>
        {current !== 'Queued'
          ? usual
          : isFull
            ? `${state.in_flight} of ${state.max_in_flight} slots in use. It is sent as soon as one is free.`
            : 'It is sent next.'}
      </span>
      <ol class="steps fine">
        {STEPS.filter((step) => step !== 'Queued' || current === 'Queued').map((step) => (
          <li key={step} class={step === current ? 'strong ink' : undefined} aria-current={step === current ? 'step' : undefined}>
            {step}
          </li>
        ))}
      </ol>
      {generation.progress !== null && generation.progress > 0 && generation.progress < 1 ? (
        <span
          class="progress"
          role="progressbar"
          aria-label="Progress"
          aria-valuenow={Math.round(generation.progress * 100)}
          aria-valuemin={0}
          aria-valuemax={100}
        >
          <span style={{ width: `${generation.progress * 100}%` }} />
        </span>
      ) : null}
    </div>
  )
}

interface Words {
  readonly head: string
  readonly text: string
}

/** What happened, in a sentence; the code stands in the story. */
export function wordsOf(generation: Generation, title: string): Words {
  const { error } = generation
  const shown = shownState(generation)
  if (shown === 'canceled')
    return { head: 'Canceled', text: error?.billed === false ? 'It was canceled in time.' : 'The provider may still bill it.' }
  if (shown === 'outcome_unknown')
    return {
      head: 'We do not know',
      text: 'It was submitted and the reply was lost on the way. It is never submitted again by itself, so nothing is bought twice.',
    }
  if (shown === 'moderated') {
    const reasons = (error?.reasons ?? []).map((reason) => `“${reason}”`).join(', ')
    const what = error?.stage === 'output' ? 'the image' : 'the prompt'
    return {
      head: error?.stage === 'output' ? 'Moderated after it was made' : 'Moderated before it was made',
      text: `${title} refused ${what}${reasons === '' ? '' : `: ${reasons}`}. Others may take the same words.`,
    }
  }
  const status = error?.provider_status ?? null
  return {
    head: status === null ? 'It failed' : `${title} answered ${status}`,
    text: `${sentence(error?.message ?? 'It failed.')}${generation.attempts.length > 1 ? ` Tried ${generation.attempts.length} times.` : ''}${error?.retryable === true ? ' Safe to try again.' : ''}`,
  }
}

function Ended({ generation, title }: { readonly generation: Generation; readonly title: string }) {
  const shown = shownState(generation)
  const { head, text } = wordsOf(generation, title)
  const colour = shown === 'moderated' ? 'shield' : shown === 'failed' ? 'bad' : 'two'
  return (
    <div class={`words${shown === 'outcome_unknown' ? ' plate' : ''}`}>
      <span class={`medium ${colour}`}>
        <StateIcon shown={shown} /> {head}
      </span>
      <span>{text}</span>
      <Billed of={generation} />
    </div>
  )
}

function Never({ part }: { readonly part: Part }) {
  return (
    <div class="words">
      <span class="medium bad">
        <StateIcon shown="ineligible" /> Refused
      </span>
      <span>{part.row.reasons.join(' ') || 'It was not asked.'}</span>
      <b>Not billed</b>
    </div>
  )
}

/** `1536 × 1024 · JPEG · 412 kB · seed 15903`, of an image. */
export function factsText(image: Image | undefined, sizeText: (bytes: number) => string): string {
  if (image === undefined) return ''
  const facts = [
    image.width === null || image.height === null ? null : pixels(image.width, image.height),
    image.format === null ? null : formatName(image.format),
    image.bytes === null ? null : sizeText(image.bytes),
    image.seed === null ? 'no seed returned' : `seed ${image.seed}`,
  ]
  return facts.filter((fact) => fact !== null).join(' · ')
}
