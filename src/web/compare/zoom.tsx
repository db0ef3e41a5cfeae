import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import { Icon } from '../parts/icon.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { client } from '../shell/gateway.ts'
import { useKeys } from '../shell/keys.ts'
import type { Part } from './part.ts'
import '../styles/zoom.css'

interface ZoomProps {
  readonly parts: readonly Part[]
  readonly provider: string
  /** Which of its images, from 0; of who has fewer the first. */
  readonly at: number
  readonly prompt: string
  readonly onProvider: (provider: string) => void
  readonly onClose: () => void
}

const PAN = 80

/** An image at 100 % of the screen's pixels; another provider's is shown at the same spot. */
export function Zoom({ parts, provider, at: nth, prompt, onProvider, onClose }: ZoomProps) {
  const [isGrey, setIsGrey] = useState(false)
  const stage = useRef<HTMLDivElement>(null)
  const at = Math.max(
    0,
    parts.findIndex((part) => part.provider === provider),
  )
  const part = parts[at]
  const image = part?.images[nth] ?? part?.images[0]
  const { leave } = useSpot(stage, provider)
  const show = (next: Part | undefined) => {
    if (next === undefined) return
    leave()
    onProvider(next.provider)
  }
  const step = (by: number) => show(parts[(at + by + parts.length) % parts.length])
  const pan = (x: number, y: number) => stage.current?.scrollBy({ left: x, top: y })
  useKeys({
    ...Object.fromEntries(parts.slice(0, 9).map((one, index) => [String(index + 1), () => show(one)])),
    m: () => setIsGrey(!isGrey),
    z: onClose,
    ArrowLeft: () => step(-1),
    ArrowRight: () => step(1),
    ArrowUp: () => pan(0, -PAN),
    ArrowDown: () => pan(0, PAN),
  })
  useDragging(stage)
  if (image === undefined || part === undefined) return null
  const scale = 1 / devicePixelRatio
  return (
    <Dialog title={`Zoom, ${part.title}`} class={`zoom${isGrey ? ' grey' : ''}`} keys bare onClose={onClose}>
      <div class="zoom-bar">
        <b>{part.title}</b>
        <span class="small two num">{`100 % · ${at + 1} of ${parts.length}`}</span>
        <span class="zoom-tools">
          <button type="button" class="tool" aria-label="Provider before" onClick={() => step(-1)}>
            <Icon name="left" />
          </button>
          <button type="button" class="tool" aria-label="Next provider" onClick={() => step(1)}>
            <Icon name="chevron" />
          </button>
          <button type="button" class="button compact" aria-pressed={isGrey} onClick={() => setIsGrey(!isGrey)}>
            Grey surround
          </button>
          <button type="button" class="tool" aria-label="Close the zoom" onClick={onClose}>
            <Icon name="remove" />
          </button>
        </span>
      </div>
      <div ref={stage} class="zoom-stage" tabIndex={0} role="group" aria-label="The image; drag or scroll to move">
        <img
          src={client().imageAddress(image)}
          alt={prompt}
          draggable={false}
          style={{ width: `${(image.width ?? 1024) * scale}px`, height: `${(image.height ?? 1024) * scale}px` }}
        />
      </div>
    </Dialog>
  )
}

/** The same spot of every image: one that is too small for it leaves it as it was. */
function useSpot(stage: { readonly current: HTMLDivElement | null }, provider: string) {
  const spot = useRef({ left: 0, top: 0 })
  useLayoutEffect(() => stage.current?.scrollTo(spot.current), [provider])
  const leave = () => {
    if (stage.current === null) return
    const { scrollLeft, scrollTop, scrollWidth, scrollHeight, clientWidth, clientHeight } = stage.current
    const { left, top } = spot.current
    const of = (now: number, most: number, before: number) => (before > most && now >= most - 1 ? before : now)
    spot.current = { left: of(scrollLeft, scrollWidth - clientWidth, left), top: of(scrollTop, scrollHeight - clientHeight, top) }
  }
  return { leave }
}

function useDragging(stage: { readonly current: HTMLDivElement | null }): void {
  useLayoutEffect(() => {
    const element = stage.current
    if (element === null) return
    const move = (event: PointerEvent) => {
      if (event.buttons === 1) element.scrollBy({ left: -event.movementX, top: -event.movementY })
    }
    element.addEventListener('pointermove', move)
    return () => element.removeEventListener('pointermove', move)
  }, [stage])
}
