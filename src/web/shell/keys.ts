import { useLayoutEffect, useRef } from 'preact/hooks'
import { keep, kept } from './kept.ts'

/** What a key does; undefined: it does nothing now. */
export type KeyMap = Readonly<Record<string, (() => void) | undefined>>

const maps: { readonly current: KeyMap }[] = []
export const areLettersOn = (): boolean => kept('local', 'letters') !== 'off'
export const switchLetters = (on: boolean): void => keep('local', 'letters', on ? null : 'off')

const isField = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.matches('textarea, select, [contenteditable], input:not([type=checkbox], [type=range], [type=radio])') ||
    target.isContentEditable)

let prefix = ''
addEventListener('keydown', (event) => {
  if (event.defaultPrevented || event.isComposing) return
  const name = event.ctrlKey || event.metaKey ? `mod+${event.key}` : event.key
  if (name.startsWith('mod+') ? name !== 'mod+Enter' : event.altKey) return
  const isSingle = name.length === 1
  if (isSingle && (isField(event.target) || !areLettersOn())) return
  // A button or a link has its own use for the space bar and for Enter.
  if (
    [' ', 'Enter'].includes(name) &&
    event.target instanceof Element &&
    event.target.closest('button, a, input, select, textarea, summary')
  )
    return
  if (document.querySelector('dialog[open]') !== null && !dialogTakes(event)) return
  const pressed = `${prefix}${isSingle ? name.toLowerCase() : name}`
  prefix = prefix === '' && pressed === 'g' ? 'g ' : ''
  const action = maps.toReversed().find(({ current }) => current[pressed] !== undefined)?.current[pressed]
  if (action === undefined) return
  event.preventDefault()
  action()
})

const dialogTakes = (event: KeyboardEvent): boolean => event.target instanceof Element && event.target.closest('dialog[data-keys]') !== null

/** Keys that work from the moment this part stands on the page: one that is pressed before the next paint counts too. The innermost part wins. */
export function useKeys(map: KeyMap): void {
  const latest = useRef(map)
  latest.current = map
  useLayoutEffect(() => {
    maps.push(latest)
    return () => void maps.splice(maps.indexOf(latest), 1)
  }, [])
}
