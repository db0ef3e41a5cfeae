import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { Comparison } from '../../client/index.ts'
import { isZeroUsd } from '../../contract/amounts.ts'
import { Icon } from '../parts/icon.tsx'
import { useCopied } from '../parts/copy-button.tsx'
import { Usd } from '../parts/usd.tsx'
import { useMayBuy } from '../shell/gateway.ts'
import { CopyAs } from './copy-as.tsx'
import { outcomeOf, type Part } from './part.ts'
import { comparedRequest } from './whole-request.ts'

export type View = 'side' | 'wipe' | 'flip' | 'blind'
export type Sort = 'price' | 'time' | 'asked'

interface ToolbarProps {
  readonly comparison: Comparison
  readonly parts: readonly Part[]
  readonly view: View
  readonly setView: (view: View) => void
  readonly scale: 'same' | 'fit'
  readonly setScale: (scale: 'same' | 'fit') => void
  readonly sort: Sort
  readonly setSort: (sort: Sort) => void
  readonly isEqual: boolean
  readonly isDense: boolean
  readonly isPhone: boolean
  readonly canWipe: boolean
  readonly canBlind: boolean
  /** Null while it cannot be asked. */
  readonly onSameSeed: (() => void) | null
}

export function Toolbar(props: ToolbarProps) {
  const { parts, view, setView, canWipe, scale, setScale, sort, setSort, isEqual, isDense, isPhone } = props
  const { text, known, unknown } = outcomeOf(parts)
  return (
    <div class="toolbar">
      <p class="head outcome">
        {text}{' '}
        {isZeroUsd(known) && unknown > 0 ? null : (
          <>
            <span class="three light">for</span> <Usd amount={known} />
          </>
        )}
        {unknown === 0 ? null : <span class="three light">{` + ${unknown} unknown`}</span>}
      </p>
      <div class="tools">
        {canWipe ? (
          <Segments
            label="View"
            value={view}
            choices={
              isPhone
                ? [
                    ['side', 'List'],
                    ['wipe', 'Wipe'],
                  ]
                : [
                    ['side', 'Side by side'],
                    ['wipe', 'Wipe'],
                    ['flip', 'Flip'],
                  ]
            }
            onValue={setView}
          />
        ) : null}
        {isEqual || isPhone ? null : (
          <Segments
            label="Scale"
            value={scale}
            choices={[
              ['same', 'Same scale'],
              ['fit', 'Fit'],
            ]}
            onValue={setScale}
          />
        )}
        {isDense ? (
          <Segments
            label="Order"
            value={sort}
            choices={[
              ['price', 'Price'],
              ['time', 'Time'],
              ['asked', 'As asked'],
            ]}
            onValue={setSort}
          />
        ) : null}
        {isPhone ? (
          <Menu>
            <Actions {...props} />
          </Menu>
        ) : (
          <Actions {...props} />
        )}
      </div>
    </div>
  )
}

/** What does not fit beside the views on a phone. Escape and a press anywhere else close it; a dialog that was opened from it has both for itself. */
function Menu({ children }: { readonly children: ComponentChildren }) {
  const menu = useRef<HTMLDetailsElement>(null)
  useEffect(() => {
    const close = (event: Event) => {
      const { current } = menu
      if (current?.open !== true || (event.target instanceof Node && current.contains(event.target))) return
      current.open = false
    }
    addEventListener('pointerdown', close)
    return () => removeEventListener('pointerdown', close)
  }, [])
  const leave = (event: KeyboardEvent) => {
    if (event.key !== 'Escape' || menu.current?.open !== true || document.querySelector('dialog[open]') !== null) return
    event.preventDefault()
    menu.current.open = false
    menu.current.querySelector('summary')?.focus()
  }
  return (
    <details ref={menu} class="menu" onKeyDown={leave}>
      <summary class="tool" aria-label="More of this comparison">
        <Icon name="dots" />
      </summary>
      <div class="card">{children}</div>
    </details>
  )
}

function Actions({ comparison, setView, canBlind, onSameSeed }: ToolbarProps) {
  const mayBuy = useMayBuy()
  return (
    <>
      {canBlind ? (
        <button type="button" class="action" onClick={() => setView('blind')}>
          <Icon name="blind" />
          Blind vote
        </button>
      ) : null}
      {mayBuy ? (
        <button type="button" class="action" disabled={onSameSeed === null} onClick={() => onSameSeed?.()}>
          <Icon name="again" />
          Same seed again
        </button>
      ) : null}
      <CopyAs request={comparedRequest(comparison)} provider={null} plain />
      <CopyLink id={comparison.id} />
    </>
  )
}

interface SegmentsProps<Value extends string> {
  readonly label: string
  readonly value: Value
  readonly choices: readonly (readonly [Value, string])[]
  readonly onValue: (value: Value) => void
}

export function Segments<Value extends string>({ label, value, choices, onValue }: SegmentsProps<Value>) {
  return (
    <div class="segments" role="group" aria-label={label}>
      {choices.map(([choice, shown]) => (
        <button key={choice} type="button" aria-pressed={choice === value} onClick={() => onValue(choice)}>
          {shown}
        </button>
      ))}
    </div>
  )
}

function CopyLink({ id }: { readonly id: string }) {
  const { said, copy } = useCopied(`${location.origin}/?c=${id}`)
  return (
    <button type="button" class="action" aria-label={said === null ? 'Copy the link of this comparison' : `Link: ${said}`} onClick={copy}>
      <Icon name={said === null ? 'link' : ['ring', said === 'Copied' ? 'tick' : 'cross']} />
    </button>
  )
}
