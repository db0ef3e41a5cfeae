import type { LiveConfig } from '../config/watch.ts'
import { watchFiles } from '../config/watch-files.ts'

/**
 * Reads the configuration again when its file, or a file that holds one of its secrets, changes.
 * @returns stops watching
 */
export function watchConfiguration(live: LiveConfig): () => void {
  const watched = watchFiles(() => void live.reload())
  watched.set(live.files())
  // A changed configuration may name other secret files.
  live.onRead(() => watched.set(live.files()))
  return watched.stop
}
