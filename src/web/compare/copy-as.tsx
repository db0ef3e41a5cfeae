import { useState } from 'preact/hooks'
import { Dialog } from '../parts/dialog.tsx'
import { Icon } from '../parts/icon.tsx'
import { useCopied } from '../parts/copy-button.tsx'
import { snippetsOf, type Snippet } from './snippets.ts'

interface CopyAsProps {
  readonly request: Readonly<Record<string, unknown>>
  readonly provider: string | null
  readonly plain?: boolean
}

/** The same request as curl, for the `openai` package, and as a route of the configuration. */
export function CopyAs({ request, provider, plain = false }: CopyAsProps) {
  const [isOpen, setIsOpen] = useState(false)
  return (
    <>
      <button type="button" class={plain ? 'action' : 'button compact'} onClick={() => setIsOpen(true)}>
        <Icon name="code" />
        Copy as
      </button>
      {isOpen ? <Snippets snippets={snippetsOf(request, provider, location.origin)} onClose={() => setIsOpen(false)} /> : null}
    </>
  )
}

function Snippets({ snippets, onClose }: { readonly snippets: readonly Snippet[]; readonly onClose: () => void }) {
  const [at, setAt] = useState(0)
  const shown = snippets[at]
  const { said, copy } = useCopied(shown?.text ?? '')
  const move = (event: KeyboardEvent) => {
    const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0
    if (by === 0) return
    const next = (at + by + snippets.length) % snippets.length
    setAt(next)
    document.getElementById(`snippet-tab-${next}`)?.focus()
  }
  return (
    <Dialog title="Copy as" class="dialog snippets" onClose={onClose}>
      <div class="segments" role="tablist" aria-label="Language" onKeyDown={move}>
        {snippets.map(({ name }, index) => (
          <button
            key={name}
            id={`snippet-tab-${index}`}
            type="button"
            role="tab"
            aria-selected={index === at}
            aria-controls="snippet"
            aria-pressed={undefined}
            tabIndex={index === at ? 0 : -1}
            onClick={() => setAt(index)}
          >
            {name}
          </button>
        ))}
      </div>
      <pre class="mono snippet" id="snippet" role="tabpanel" aria-labelledby={`snippet-tab-${at}`} tabIndex={0}>
        {shown?.text}
      </pre>
      <button type="button" class="button" onClick={copy}>
        {said ?? 'Copy'}
      </button>
    </Dialog>
  )
}
