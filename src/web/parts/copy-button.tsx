import { useState } from 'preact/hooks'
import { copyText } from '../shell/plain-http.ts'

const SAID_MS = 2_000

/** Copies a text, and says for two seconds what came of it: `Copied`, or that the browser did not take it. */
export function useCopied(text: string): { readonly said: string | null; readonly copy: () => void } {
  const [said, setSaid] = useState<string | null>(null)
  const copy = async () => {
    setSaid((await copyText(text)) ? 'Copied' : 'Not copied: select it and copy it')
    setTimeout(() => setSaid(null), SAID_MS)
  }
  return { said, copy: () => void copy() }
}

export function CopyButton({ text, what }: { readonly text: string; readonly what: string }) {
  const { said, copy } = useCopied(text)
  return (
    <button type="button" class="link" onClick={copy}>
      {said ?? 'Copy'}
      {said === null ? <span class="hidden"> {what}</span> : null}
    </button>
  )
}
