import { SHAPES, shapeOf, sizeAsked, type Draft } from './draft.ts'
import { useIsPhone } from '../shell/media.ts'

interface ShapeProps {
  readonly draft: Draft
  readonly change: (part: Partial<Draft>) => void
}

const FRAME = 14

/** Usual shapes as radio buttons, each with its little frame; on a phone as a list. Typing a width or height unsets it. */
export function ShapeField({ draft, change }: ShapeProps) {
  const isPhone = useIsPhone()
  const current = shapeOf(draft)
  const choose = (name: string) => {
    const shape = SHAPES.find((one) => one.name === name)
    if (shape) change({ width: String(shape.width), height: String(shape.height) })
  }
  if (isPhone)
    return (
      <div class="field">
        <label for="shape">Shape</label>
        <select id="shape" class="control" value={current?.name ?? ''} onChange={(event) => choose(event.currentTarget.value)}>
          {current === undefined ? <option value="">{sizeAsked(draft)}</option> : null}
          {SHAPES.map(({ name, width, height }) => (
            <option key={name} value={name}>{`${name}, ${width} × ${height}`}</option>
          ))}
        </select>
      </div>
    )
  return (
    <fieldset class="shape">
      <legend class="label">Shape</legend>
      <div class="shapes">
        {SHAPES.map(({ name, width, height }) => {
          const scale = FRAME / Math.max(width, height)
          return (
            <label key={name}>
              <input type="radio" name="shape" value={name} checked={current?.name === name} onChange={() => choose(name)} />
              <svg viewBox="0 0 18 18" aria-hidden="true">
                <rect x={9 - (width * scale) / 2} y={9 - (height * scale) / 2} width={width * scale} height={height * scale} />
              </svg>
              <span>{name}</span>
            </label>
          )
        })}
      </div>
    </fieldset>
  )
}
