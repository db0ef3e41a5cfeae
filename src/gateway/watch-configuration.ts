import type { LiveConfig } from '../config/watch.ts'
import { stateLater, stateOf, watchFiles } from '../config/watch-files.ts'

/**
 * How often the files are compared with what was read. A system that has no more watches to give says nothing of a change, nor does a folder of
 * another machine: a key that was taken out of the file would count on.
 */
const COMPARE_MS = 1_000

/**
 * Reads the configuration again when its file, or a file that holds one of its secrets, changes, or has changed while it was read or the gateway started.
 * @returns stops watching
 */
export function watchConfiguration(live: Pick<LiveConfig, 'reload' | 'files' | 'asRead' | 'onRead'>): () => void {
  const watched = watchFiles(() => void live.reload())
  watched.set(live.files())
  // A changed configuration may name other secret files.
  live.onRead(() => watched.set(live.files()))
  if (stateOf(live.files()) !== live.asRead()) void live.reload()
  const stop = compareAgainAndAgain(() => stateLater(live.files()), {
    isRead: (state) => state === live.asRead(),
    changed: () => void live.reload(),
  })
  return () => {
    stop()
    watched.stop()
  }
}

/** Twice the same, so that a file which is being written is not read in the middle, and what a watch hears is not read twice. */
function compareAgainAndAgain(
  state: () => Promise<string>,
  { isRead, changed }: { readonly isRead: (state: string) => boolean; readonly changed: () => void },
): () => void {
  let before: string | null = null
  let isComparing = false
  const compare = async (): Promise<void> => {
    if (isComparing) return
    isComparing = true
    const now = await state()
    isComparing = false
    if (now === before && !isRead(now)) changed()
    before = now
  }
  const timer = setInterval(() => void compare(), COMPARE_MS).unref()
  return () => clearInterval(timer)
}
