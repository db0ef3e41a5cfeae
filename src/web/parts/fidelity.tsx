import { Icon } from './icon.tsx'

const SHOWN = {
  exact: { word: 'Exact', colour: 'ink' },
  near: { word: 'Near', colour: 'warn' },
  far: { word: 'Far', colour: 'warn' },
} as const

/** How near the image is to the one that was asked for: a full, half or empty dot, and its word. */
export function Fidelity({ of }: { readonly of: keyof typeof SHOWN | null }) {
  if (of === null)
    return (
      <span class="fidelity bad">
        <Icon name={['ring', 'cross']} />
        Cannot
      </span>
    )
  const { word, colour } = SHOWN[of]
  return (
    <span class={`fidelity ${colour}`}>
      <svg class="icon dot" viewBox="2.7 2.7 10.6 10.6" aria-hidden="true">
        <circle cx="8" cy="8" r="4.6" fill={of === 'exact' ? 'currentColor' : 'none'} />
        {of === 'near' ? <path class="full" d="M8 3.4a4.600 4.600 0 0 1 0 9.200z" /> : null}
      </svg>
      {word}
    </span>
  )
}
