import { useState } from 'preact/hooks'
import type { Generation } from '../../client/index.ts'
import { OnItsWay, wordsOf } from '../compare/slot.tsx'
import { useElapsed } from '../shell/elapsed.ts'
import { duration } from '../format/facts.ts'
import { textOf } from '../format/text.ts'
import { Billed } from '../parts/billed.tsx'
import { isOpen, shownState } from '../parts/shown-state.ts'
import { client } from '../shell/gateway.ts'

interface StageProps {
  readonly generation: Generation
  readonly title: string
  /** Which of its images is shown. */
  readonly at: number
  readonly onAt: (at: number) => void
}

/** The images of a generation, one at a time, or what stands in their slot. */
export function Stage({ generation, title, at, onAt }: StageProps) {
  const [gone, setGone] = useState<string | null>(null)
  const { images } = generation
  const image = images[at]
  if (image === undefined) return <Without generation={generation} title={title} />
  const size = { width: image.width ?? 1024, height: image.height ?? 1024 }
  return (
    <div class="one-stage">
      {gone === image.id ? (
        <div class="slot text" style={{ aspectRatio: `${size.width} / ${size.height}` }}>
          <span class="said-in-slot">No longer stored.</span>
        </div>
      ) : (
        <img
          src={client().imageAddress(image)}
          alt={textOf(generation.request['prompt'])}
          width={size.width}
          height={size.height}
          decoding="async"
          style={{ aspectRatio: `${size.width} / ${size.height}` }}
          onError={() => setGone(image.id)}
        />
      )}
      {images.length === 1 ? null : (
        <span class="strip-below segments">
          {images.map(({ id }, index) => (
            <button key={id} type="button" aria-pressed={index === at} onClick={() => onAt(index)}>
              {index + 1} of {images.length}
            </button>
          ))}
        </span>
      )}
    </div>
  )
}

function Without({ generation, title }: { readonly generation: Generation; readonly title: string }) {
  const shown = shownState(generation)
  const { request } = generation
  const shape =
    typeof request['width'] === 'number' && typeof request['height'] === 'number' ? `${request['width']} / ${request['height']}` : '3 / 2'
  const open = isOpen(generation.status)
  const words = open ? null : wordsOf(generation, title)
  return (
    <div class={`slot ${open ? 'waiting' : 'text'} ${shown}`} style={{ aspectRatio: shape }}>
      {open ? <OnItsWay of={generation} /> : null}
      <div class={`words${shown === 'outcome_unknown' ? ' plate' : ''}`}>
        {words === null ? (
          <Elapsed since={generation.started_at ?? generation.created_at} />
        ) : (
          <>
            <span class="medium">{words.head}</span>
            <span>{words.text}</span>
            <Billed of={generation} />
          </>
        )}
      </div>
    </div>
  )
}

const Elapsed = ({ since }: { readonly since: string }) => <span class="clock num">{duration(useElapsed(since))}</span>
