import type { ComponentChildren } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'
import { Icon } from './icon.tsx'

interface DialogProps {
  readonly title: string
  readonly onClose: () => void
  readonly class?: string
  /** Shortcuts work inside it. */
  readonly keys?: boolean
  readonly bare?: boolean
  readonly children: ComponentChildren
}

/** The browser's own dialog: Escape closes it, and the focus goes back to where it was. */
export function Dialog({ title, onClose, class: name = 'dialog', keys = false, bare = false, children }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null)
  useLayoutEffect(() => {
    const before = document.activeElement
    element.current?.showModal()
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus()
    }
  }, [])
  return (
    <dialog
      ref={element}
      class={name}
      aria-label={title}
      data-keys={keys ? '' : undefined}
      onClose={onClose}
      onClick={(event) => {
        if (event.target === element.current) onClose()
      }}
    >
      {bare ? null : (
        <div class="top">
          <h2 class="head">{title}</h2>
          <button type="button" class="tool" aria-label={`Close ${title}`} onClick={onClose}>
            <Icon name="remove" />
          </button>
        </div>
      )}
      {children}
    </dialog>
  )
}
