import { useRef, useState } from 'preact/hooks'
import { Dialog } from '../parts/dialog.tsx'
import type { Reference } from './draft.ts'

interface DrawMaskProps {
  /** The address of the image under it. */
  readonly on: string
  readonly onMask: (mask: Reference) => void
  readonly onClose: () => void
}

interface Point {
  readonly x: number
  readonly y: number
}

let drawn = 0

/** A mask of the image's own size: opaque, and transparent where it was drawn on. */
export function DrawMask({ on, onMask, onClose }: DrawMaskProps) {
  const canvas = useRef<HTMLCanvasElement>(null)
  const last = useRef<Point | null>(null)
  const [percent, setPercent] = useState(10)
  const [isEmpty, setIsEmpty] = useState(true)
  const [size, setSize] = useState<{ readonly width: number; readonly height: number } | null>(null)
  const fill = () => {
    const context = canvas.current?.getContext('2d')
    if (!context) return
    context.globalCompositeOperation = 'source-over'
    context.fillStyle = '#000'
    context.fillRect(0, 0, context.canvas.width, context.canvas.height)
    setIsEmpty(true)
  }
  const pointOf = (event: PointerEvent): Point => {
    const { left, top, width, height } = canvas.current?.getBoundingClientRect() ?? new DOMRect(0, 0, 1, 1)
    const { width: across = 0, height: down = 0 } = size ?? {}
    return { x: ((event.clientX - left) / width) * across, y: ((event.clientY - top) / height) * down }
  }
  const draw = (from: Point, to: Point) => {
    const context = canvas.current?.getContext('2d')
    if (!context) return
    context.globalCompositeOperation = 'destination-out'
    context.lineWidth = (Math.min(context.canvas.width, context.canvas.height) * percent) / 100
    context.lineCap = 'round'
    context.beginPath()
    context.moveTo(from.x, from.y)
    context.lineTo(to.x, to.y)
    context.stroke()
    setIsEmpty(false)
  }
  const take = () => {
    const sent = canvas.current?.toDataURL('image/png') ?? ''
    onMask({ key: `mask ${drawn++}`, sent, thumb: sent, name: 'drawn mask' })
    onClose()
  }
  return (
    <Dialog title="Mask" class="dialog draw-mask" onClose={onClose}>
      <p class="small two">Draw over what is to be repainted.</p>
      <div class="mask-stage" style={size === null ? {} : { '--ratio': size.width / size.height }}>
        <img
          src={on}
          alt="The first reference"
          onLoad={({ currentTarget: { naturalWidth: width, naturalHeight: height } }) => {
            setSize({ width, height })
            requestAnimationFrame(fill)
          }}
        />
        {size === null ? null : (
          <canvas
            ref={canvas}
            width={size.width}
            height={size.height}
            aria-label="Drawing area"
            role="img"
            onPointerDown={(event) => {
              event.currentTarget.setPointerCapture(event.pointerId)
              last.current = pointOf(event)
              draw(last.current, last.current)
            }}
            onPointerMove={(event) => {
              if (last.current === null) return
              const point = pointOf(event)
              draw(last.current, point)
              last.current = point
            }}
            onPointerUp={() => {
              last.current = null
            }}
          />
        )}
      </div>
      <div class="mask-tools">
        <label class="small" for="brush">
          Brush
        </label>
        <input
          id="brush"
          type="range"
          min="2"
          max="40"
          value={percent}
          onInput={(event) => setPercent(Number(event.currentTarget.value))}
        />
        <button type="button" class="button" disabled={isEmpty} onClick={fill}>
          Clear
        </button>
        <button type="button" class="button primary" disabled={isEmpty} onClick={take}>
          Use this mask
        </button>
      </div>
    </Dialog>
  )
}
