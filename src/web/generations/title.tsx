import { useState } from 'preact/hooks'

/** A prompt of so many letters is shown in part, until the whole of it is asked for. */
const LONG_PROMPT = 400

export function Title({ prompt }: { readonly prompt: string }) {
  const [isWhole, setIsWhole] = useState(false)
  const isLong = prompt.length > LONG_PROMPT
  return (
    <div>
      <h1 class="title" dir="auto">
        {isLong && !isWhole ? `${prompt.slice(0, LONG_PROMPT)}…` : prompt || '(no prompt)'}
      </h1>
      {isLong ? (
        <button type="button" class="link small" aria-expanded={isWhole} onClick={() => setIsWhole(!isWhole)}>
          {isWhole ? 'Less of the prompt' : 'The whole prompt'}
        </button>
      ) : null}
    </div>
  )
}
