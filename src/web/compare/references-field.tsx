import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import { Icon } from '../parts/icon.tsx'
import type { Reference } from './draft.ts'
import { useDrawn } from './use-drawn.ts'
import { TAKEN, useFilesFromAnywhere } from './use-files.ts'

interface ReferencesProps {
  readonly references: readonly Reference[]
  /** How many are taken, and by whom fewer. */
  readonly said: string
  readonly wrong?: string | undefined
  readonly onReferences: (references: readonly Reference[]) => void
}

let links = 0

/** References in their order: dropped anywhere on the page, pasted, chosen, or as a link. */
export function ReferencesField({ references, said, wrong, onReferences }: ReferencesProps) {
  const [asksLink, setAsksLink] = useState(false)
  const chooser = useRef<HTMLInputElement>(null)
  const { isOver, refused, take } = useFilesFromAnywhere(references, onReferences)
  const toLink = () => document.getElementById('reference-link')?.focus()
  return (
    <div class="field">
      <span class="label" id="references-label">
        Reference images
      </span>
      <div class={`drop${isOver ? ' over' : ''}`} role="group" aria-labelledby="references-label">
        <Thumbs references={references} onReferences={onReferences} />
        <span class="said">
          <Icon name="image" />
          <span>
            Drop, paste,{' '}
            <button type="button" class="link" onClick={() => chooser.current?.click()}>
              choose
            </button>{' '}
            or{' '}
            <button type="button" class="link" id="reference-link" aria-expanded={asksLink} onClick={() => setAsksLink(!asksLink)}>
              link
            </button>{' '}
            {said}
          </span>
        </span>
        <input
          ref={chooser}
          type="file"
          accept={TAKEN.join(',')}
          multiple
          hidden
          onChange={(event) => {
            void take([...(event.currentTarget.files ?? [])])
            event.currentTarget.value = ''
          }}
        />
        {asksLink ? (
          <LinkBox
            onLink={(link) => {
              onReferences([...references, { key: `link ${links++}`, sent: link, thumb: null, name: link }])
              setAsksLink(false)
              toLink()
            }}
            onLeave={() => {
              setAsksLink(false)
              toLink()
            }}
          />
        ) : null}
      </div>
      {refused === '' ? null : (
        <span class="wrong" role="alert">
          {refused}
        </span>
      )}
      {wrong === undefined ? null : (
        <span class="wrong" data-fault tabIndex={-1}>
          {wrong}
        </span>
      )}
    </div>
  )
}

function LinkBox({ onLink, onLeave }: { readonly onLink: (link: string) => void; readonly onLeave: () => void }) {
  const [link, setLink] = useState('')
  const [isWrong, setIsWrong] = useState(false)
  const box = useRef<HTMLInputElement>(null)
  useLayoutEffect(() => box.current?.focus(), [])
  const add = () => {
    if (/^https?:\/\/\S+$/.test(link.trim())) return onLink(link.trim())
    setIsWrong(true)
    box.current?.focus()
  }
  return (
    <>
      <span class="link-box">
        <input
          ref={box}
          class="control"
          aria-label="Link of a reference image"
          aria-invalid={isWrong}
          aria-describedby={isWrong ? 'link-wrong' : undefined}
          inputMode="url"
          placeholder="https://"
          value={link}
          onInput={(event) => {
            setLink(event.currentTarget.value)
            setIsWrong(false)
          }}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' && event.key !== 'Escape') return
            event.preventDefault()
            if (event.key === 'Enter') add()
            else onLeave()
          }}
        />
        <button type="button" class="button" onClick={add}>
          Add
        </button>
      </span>
      {isWrong ? (
        <span class="bad" id="link-wrong" role="alert">
          This is no link: one begins with https://
        </span>
      ) : null}
    </>
  )
}

function ReferenceImage({ thumb, at }: { readonly thumb: string | null; readonly at: number }) {
  const shown = useDrawn(thumb)
  return shown === null ? <Icon name="link" /> : <img src={shown} alt={`Reference ${at + 1}`} width="44" height="44" draggable={false} />
}

function Thumbs({ references, onReferences }: Pick<ReferencesProps, 'references' | 'onReferences'>) {
  const dragged = useRef<number | null>(null)
  const focusOn = useFocusAfter(references)
  const move = (from: number, to: number) => {
    const moved = references[from]
    if (moved === undefined || to < 0 || to >= references.length) return
    onReferences(references.toSpliced(from, 1).toSpliced(to, 0, moved))
  }
  const step = (at: number, by: -1 | 1) => {
    focusOn(at + by, by < 0 ? 'Move left' : 'Move right')
    move(at, at + by)
  }
  const remove = (at: number) => {
    focusOn(Math.min(at, references.length - 2), 'Remove')
    onReferences(references.toSpliced(at, 1))
  }
  if (references.length === 0) return null
  return (
    <ol class="thumbs">
      {references.map(({ key, thumb, name }, at) => (
        <li
          key={key}
          draggable
          onDragStart={(event) => {
            dragged.current = at
            // Without anything to carry some browsers drag nothing.
            event.dataTransfer?.setData('text/plain', name)
          }}
          onDragOver={(event) => event.preventDefault()}
          onDrop={(event) => {
            if (dragged.current === null) return
            event.preventDefault()
            event.stopPropagation()
            move(dragged.current, at)
            dragged.current = null
          }}
        >
          <span class="thumb" title={name}>
            <ReferenceImage thumb={thumb} at={at} />
          </span>
          <span class="thumb-actions">
            <button type="button" aria-label={`Move left, reference ${at + 1}`} disabled={at === 0} onClick={() => step(at, -1)}>
              <Icon name="left" />
            </button>
            <button
              type="button"
              aria-label={`Move right, reference ${at + 1}`}
              disabled={at === references.length - 1}
              onClick={() => step(at, 1)}
            >
              <Icon name="chevron" />
            </button>
            <button type="button" aria-label={`Remove, reference ${at + 1}`} onClick={() => remove(at)}>
              <Icon name="remove" />
            </button>
          </span>
        </li>
      ))}
    </ol>
  )
}

/** Whoever moved or removed a reference by keyboard goes on from there: the focus is on the same button of what was moved, or of the next one. */
function useFocusAfter(references: readonly Reference[]) {
  const next = useRef<{ readonly at: number; readonly action: string } | null>(null)
  useLayoutEffect(() => {
    if (next.current === null) return
    const { at, action } = next.current
    next.current = null
    const of = [...(document.querySelectorAll<HTMLButtonElement>('.thumbs li')[at]?.querySelectorAll('button') ?? [])]
    const same = of.find((button) => button.getAttribute('aria-label')?.startsWith(action) === true && !button.disabled)
    const other = same ?? of.find((button) => !button.disabled) ?? document.getElementById('reference-link')
    other?.focus()
  }, [references])
  return (at: number, action: string) => {
    next.current = { at, action }
  }
}
