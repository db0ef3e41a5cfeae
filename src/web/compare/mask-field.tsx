import { useState } from 'preact/hooks'
import { Icon } from '../parts/icon.tsx'
import type { Reference } from './draft.ts'
import { DrawMask } from './draw-mask.tsx'
import { useDrawn } from './use-drawn.ts'

interface MaskFieldProps {
  readonly mask: Reference | null
  /** What the mask is drawn on. */
  readonly first: Reference | undefined
  readonly wrong: string | undefined
  readonly onMask: (mask: Reference | null) => void
}

/** What to repaint of the first reference: drawn on it, or a file. */
export function MaskField({ mask, first, wrong, onMask }: MaskFieldProps) {
  const [isDrawing, setIsDrawing] = useState(false)
  const drawnOn = useDrawn(first?.thumb ?? null)
  const shownMask = useDrawn(mask?.thumb ?? null)
  const choose = (file: File | undefined) => {
    if (file === undefined) return
    const reader = new FileReader()
    reader.addEventListener('load', () => {
      const sent = typeof reader.result === 'string' ? reader.result : ''
      onMask({ key: `mask ${file.name}`, sent, thumb: sent, name: file.name })
    })
    reader.readAsDataURL(file)
  }
  return (
    <div class="field mask-field">
      <span class="label">Mask</span>
      <span class="mask-line">
        {shownMask ? <img class="mask-thumb" src={shownMask} alt="The mask" width="44" height="44" /> : null}
        <button
          type="button"
          id="mask"
          class="button compact"
          aria-disabled={drawnOn === null}
          onClick={() => setIsDrawing(drawnOn !== null)}
        >
          {mask === null ? 'Draw it' : 'Draw it anew'}
        </button>
        <label class="button compact">
          Choose a file
          <input
            type="file"
            class="hidden"
            aria-label="Choose a file as the mask"
            accept="image/png,image/webp"
            onChange={(event) => {
              choose(event.currentTarget.files?.[0])
              event.currentTarget.value = ''
            }}
          />
        </label>
        {mask === null ? null : (
          <button type="button" class="tool" aria-label="Remove the mask" onClick={() => onMask(null)}>
            <Icon name="remove" />
          </button>
        )}
      </span>
      {wrong === undefined ? null : (
        <span class="wrong" data-fault tabIndex={-1}>
          {wrong}
        </span>
      )}
      <span class="below">
        {first === undefined
          ? 'What is transparent in it is repainted. It needs a reference.'
          : first.thumb === null
            ? 'The first reference is a link, which cannot be drawn on here.'
            : 'What is transparent in it is repainted in the first reference.'}
      </span>
      {isDrawing && drawnOn ? <DrawMask on={drawnOn} onMask={onMask} onClose={() => setIsDrawing(false)} /> : null}
    </div>
  )
}
