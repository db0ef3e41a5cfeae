import type { LiveConfig } from '../config/watch.ts'
import { stateOf, watchFiles } from '../config/watch-files.ts'

/**
 * Reads the configuration again when its file, or a file that holds one of its secrets, changes, or has changed while the gateway started.
 * @param asRead the state of the files when the configuration was read
 * @returns stops watching
 */
export function watchConfiguration(live: Pick<LiveConfig, 'reload' | 'files' | 'onRead'>, asRead: string): () => void {
  const watched = watchFiles(() => void live.reload())
  watched.set(live.files())
  // A changed configuration may name other secret files.
  live.onRead(() => watched.set(live.files()))
  if (stateOf(live.files()) !== asRead) void live.reload()
  return watched.stop
}
