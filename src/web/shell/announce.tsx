import { useWatched, watched } from './watched.ts'

const said = watched('')
/** Said by a screen reader when it is quiet. */
export const announce = (text: string): void => said.set(text)

export function Announcer() {
  return (
    <div class="hidden" role="status" aria-live="polite">
      {useWatched(said)}
    </div>
  )
}
