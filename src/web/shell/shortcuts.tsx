import { useState } from 'preact/hooks'
import { Dialog } from '../parts/dialog.tsx'
import { areLettersOn, switchLetters } from './keys.ts'

const KEYS: readonly (readonly [string, string])[] = [
  ['Compare', 'Ctrl or ⌘ ↵'],
  ['To the prompt', '/'],
  ['Go to Compare, Generations, Costs, Providers', 'G then C G O P'],
  ['Open or fold the form', 'E'],
  ['Pick an image; in a blind vote choose it, or none', '1 – 9, 0'],
  ['Side by side, wipe', 'S W'],
  ['Flip, swap', 'Space X'],
  ['Zoom, grey surround', 'Z M'],
  ['Same scale or fit', 'F'],
  ['Next and previous generation, open it', 'J K ↵'],
  ['Close', 'Esc'],
  ['This list', '?'],
]

export const ShortcutList = () => (
  <dl>
    {KEYS.map(([what, keys]) => [
      <dt key={`${what} name`}>{what}</dt>,
      <dd key={`${what} keys`}>
        <span class="kbd">{keys}</span>
      </dd>,
    ])}
  </dl>
)

export function Shortcuts({ onClose }: { readonly onClose: () => void }) {
  const [on, setOn] = useState(areLettersOn)
  const change = () => {
    switchLetters(!on)
    setOn(!on)
  }
  return (
    <Dialog title="Keys" onClose={onClose} class="dialog shortcuts">
      <ShortcutList />
      <p class="small two">
        <label class="letters">
          <input type="checkbox" checked={on} onChange={change} />
          Single letters work outside fields
        </label>
      </p>
    </Dialog>
  )
}
