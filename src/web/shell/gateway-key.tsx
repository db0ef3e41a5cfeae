import { useEffect, useRef, useState } from 'preact/hooks'
import { openWith } from './gateway.ts'

/** Asks for the gateway key, where keys are on. It stays in this tab. */
export function GatewayKey({ wrong }: { readonly wrong: boolean }) {
  const [key, setKey] = useState('')
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => field.current?.focus(), [wrong])
  const open = (event: Event) => {
    event.preventDefault()
    if (key.trim() !== '') openWith(key.trim())
  }
  return (
    <main id="content">
      <h1 class="hidden">Open imagegate</h1>
      <form class="card asked-key" onSubmit={open}>
        <div class="field">
          <label for="gateway-key">Gateway key</label>
          <input
            ref={field}
            id="gateway-key"
            class="control"
            type="password"
            autocomplete="off"
            value={key}
            aria-invalid={wrong}
            aria-describedby="gateway-key-said"
            onInput={(event) => setKey(event.currentTarget.value)}
          />
          <span id="gateway-key-said" class={wrong ? 'wrong' : 'below'} role={wrong ? 'alert' : undefined}>
            {wrong ? 'This key is not known here. It is wrong, expired or revoked.' : 'Kept for this tab only.'}
          </span>
        </div>
        <button class="button primary" type="submit">
          Open
        </button>
      </form>
    </main>
  )
}
