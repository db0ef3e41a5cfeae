import { realpathSync, statSync, watch } from 'node:fs'
import type { FSWatcher, Stats } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'

export interface WatchedFiles {
  /** The files to watch from now on, instead of those before. */
  set(paths: readonly string[]): void
  stop(): void
}

/** Kubernetes mounts files as links into a folder behind this link, which it swaps. */
const MOUNTED_DATA = '..data'

/**
 * Calls `onChange` once after each burst of changes to the files. Their folders are watched, not the files, because editors and secret
 * managers save by renaming another file over a file; of a link, the folder it leads to is watched as well. A folder that cannot be
 * watched is left out.
 */
export function watchFiles(onChange: () => void, settleMs = 100): WatchedFiles {
  const watchers = new Map<string, FSWatcher>()
  let namesByFolder: ReadonlyMap<string, ReadonlySet<string>> = new Map()
  let timer: NodeJS.Timeout | null = null
  const changed = () => {
    if (timer !== null) clearTimeout(timer)
    timer = setTimeout(onChange, settleMs)
    timer.unref()
  }
  const watchFolder = (folder: string) => {
    try {
      const watcher = watch(folder, { persistent: false }, (_, name) => {
        if (name === null || name === MOUNTED_DATA || namesByFolder.get(folder)?.has(name)) changed()
      })
      watcher.on('error', () => watcher.close())
      watchers.set(folder, watcher)
    } catch {
      // Gone, of a kind that has no events, or one too many for the system: whoever watches compares its files as well.
    }
  }
  return {
    set(paths) {
      namesByFolder = foldersOf(paths)
      for (const [folder, watcher] of watchers) {
        if (namesByFolder.has(folder)) continue
        watcher.close()
        watchers.delete(folder)
      }
      for (const folder of namesByFolder.keys()) if (!watchers.has(folder)) watchFolder(folder)
    },
    stop() {
      if (timer !== null) clearTimeout(timer)
      for (const watcher of watchers.values()) watcher.close()
      watchers.clear()
    },
  }
}

/** What the files are at this moment: another text once one of them was changed, replaced or removed. */
export const stateOf = (paths: readonly string[]): string =>
  paths
    .map((path) => {
      try {
        return asText(statSync(path))
      } catch {
        return NONE
      }
    })
    .join('\n')

/** The same for those who must not wait: the folder may be another machine's. */
export async function stateLater(paths: readonly string[]): Promise<string> {
  return (await Promise.all(paths.map((path) => stat(path).then(asText, () => NONE)))).join('\n')
}

const NONE = 'none'
const asText = ({ ino, size, ctimeMs }: Stats): string => `${ino} ${size} ${ctimeMs}`

/** File names by folder, links followed to the file they lead to. */
function foldersOf(paths: readonly string[]): ReadonlyMap<string, ReadonlySet<string>> {
  const folders = new Map<string, Set<string>>()
  for (const path of paths.flatMap((path) => [resolve(path), ...realPath(path)])) {
    const names = folders.get(dirname(path)) ?? new Set()
    folders.set(dirname(path), names.add(basename(path)))
  }
  return folders
}

function realPath(path: string): readonly string[] {
  try {
    return [realpathSync(path)]
  } catch {
    return []
  }
}
