import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import { Icon } from '../parts/icon.tsx'
import type { Reference } from './draft.ts'
import { useDrawn } from './use-drawn.ts'

interface ReferencesProps {
  readonly references: readonly Reference[]
  /** How many are taken, and by whom fewer. */
  readonly said: string
  readonly wrong?: string | undefined
  readonly onReferences: (references: readonly Reference[]) => void
}

let made = 0

const read = (file: File): Promise<Reference> =>
  new Promise((resolve, reject) => {
    const reader = new FileReader()
    reader.addEventListener('load', () => {
      const sent = typeof reader.result === 'string' ? reader.result : ''
      resolve({ key: `file ${made++}`, sent, thumb: sent, name: file.name })
    })
    reader.addEventListener('error', () => reject(reader.error ?? new Error('the file cannot be read')))
    reader.readAsDataURL(file)
  })

/** References in their order: dropped anywhere on the page, pasted, chosen, or as a link. */
export function ReferencesField({ references, said, wrong, onReferences }: ReferencesProps) {
  const [asksLink, setAsksLink] = useState(false)
  const chooser = useRef<HTMLInputElement>(null)
  const isOver = useFilesFromAnywhere(references, onReferences)
  const add = async (files: readonly File[]) => onReferences([...references, ...(await Promise.all(files.map(read)))])
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
          accept="image/jpeg,image/png,image/webp"
          multiple
          hidden
          onChange={(event) => {
            void add([...(event.currentTarget.files ?? [])])
            event.currentTarget.value = ''
          }}
        />
        {asksLink ? (
          <LinkBox
            onLink={(link) => {
              onReferences([...references, { key: `link ${made++}`, sent: link, thumb: null, name: link }])
              setAsksLink(false)
            }}
          />
        ) : null}
      </div>
      {wrong === undefined ? null : <span class="wrong">{wrong}</span>}
    </div>
  )
}

function LinkBox({ onLink }: { readonly onLink: (link: string) => void }) {
  const [link, setLink] = useState('')
  const add = () => {
    if (/^https?:\/\/\S+$/.test(link.trim())) onLink(link.trim())
  }
  return (
    <span class="link-box">
      <input
        class="control"
        aria-label="Link of a reference image"
        inputMode="url"
        placeholder="https://"
        value={link}
        onInput={(event) => setLink(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter') {
            event.preventDefault()
            add()
          }
        }}
      />
      <button type="button" class="button" onClick={add}>
        Add
      </button>
    </span>
  )
}

function ReferenceImage({ thumb, at }: { readonly thumb: string | null; readonly at: number }) {
  const shown = useDrawn(thumb)
  return shown === null ? <Icon name="link" /> : <img src={shown} alt={`Reference ${at + 1}`} width="44" height="44" draggable={false} />
}

function Thumbs({ references, onReferences }: Pick<ReferencesProps, 'references' | 'onReferences'>) {
  const dragged = useRef<number | null>(null)
  const move = (from: number, to: number) => {
    const moved = references[from]
    if (moved === undefined || to < 0 || to >= references.length) return
    onReferences(references.toSpliced(from, 1).toSpliced(to, 0, moved))
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
            <button type="button" aria-label={`Move left, reference ${at + 1}`} disabled={at === 0} onClick={() => move(at, at - 1)}>
              <Icon name="left" />
            </button>
            <button
              type="button"
              aria-label={`Move right, reference ${at + 1}`}
              disabled={at === references.length - 1}
              onClick={() => move(at, at + 1)}
            >
              <Icon name="chevron" />
            </button>
            <button type="button" aria-label={`Remove, reference ${at + 1}`} onClick={() => onReferences(references.toSpliced(at, 1))}>
              <Icon name="remove" />
            </button>
          </span>
        </li>
      ))}
    </ol>
  )
}

const imagesOf = (data: DataTransfer | null): readonly File[] => [...(data?.files ?? [])].filter(({ type }) => type.startsWith('image/'))

/** Image files dropped or pasted anywhere become references. @returns whether files are held over the page now */
function useFilesFromAnywhere(references: readonly Reference[], onReferences: (references: readonly Reference[]) => void): boolean {
  const [isOver, setIsOver] = useState(false)
  const latest = useRef({ references, onReferences })
  latest.current = { references, onReferences }
  useLayoutEffect(() => {
    const take = async (files: readonly File[]) => {
      const added = await Promise.all(files.map(read))
      const next = [...latest.current.references, ...added]
      // Two at the same moment: the second follows the first, whose drawing may still be to come.
      latest.current = { ...latest.current, references: next }
      latest.current.onReferences(next)
    }
    const over = (event: DragEvent) => {
      if (!event.dataTransfer?.types.includes('Files')) return
      event.preventDefault()
      setIsOver(true)
    }
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) setIsOver(false)
    }
    const drop = (event: DragEvent) => {
      setIsOver(false)
      const files = imagesOf(event.dataTransfer)
      if (files.length === 0) return
      event.preventDefault()
      void take(files)
    }
    const paste = (event: ClipboardEvent) => {
      const files = imagesOf(event.clipboardData)
      if (files.length > 0) void take(files)
    }
    addEventListener('dragover', over)
    addEventListener('dragleave', leave)
    addEventListener('drop', drop)
    addEventListener('paste', paste)
    return () => {
      removeEventListener('dragover', over)
      removeEventListener('dragleave', leave)
      removeEventListener('drop', drop)
      removeEventListener('paste', paste)
    }
  }, [])
  return isOver
}
