import { readFileSync } from 'node:fs'
import type { Config } from '../config/config.ts'

/** Of what may be open, callers have this part in connections. As much is left for the images that they read, and as much for vendors, webhooks and images that are stored. */
const CALLERS_PART = 3

/** How many files and connections the system lets this process have open, which Node raises to the hard limit as it starts; null where it is not said (Linux alone says it). */
export function mostOpenFiles(): number | null {
  try {
    const said = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    return said === undefined ? null : Number(said)
  } catch {
    return null
  }
}

/**
 * The limits of the configuration, within what the system lets this process have open: beyond that no vendor is reached and no image stored, for
 * anybody, and idle connections of strangers are enough. One address has half of the connections at most, so that it never has all of them.
 */
export function withinOpenFiles(limits: Config['limits'], files: number | null): Config['limits'] {
  if (files === null) return limits
  const most = Math.max(2, Math.floor(files / CALLERS_PART))
  if (limits.all.sockets !== null && limits.all.sockets <= most) return limits
  const ofOne = Math.floor(most / 2)
  return {
    ...limits,
    perAddress: { ...limits.perAddress, sockets: Math.min(limits.perAddress.sockets ?? ofOne, ofOne) },
    all: { ...limits.all, sockets: most },
  }
}

/** Asked at every request: made once for each configuration. `lowered` hears how many connections are taken where the configuration lets more. */
export function limitsWithin(
  current: () => Config['limits'],
  files: number | null,
  lowered: (sockets: number) => void,
): () => Config['limits'] {
  let from: Config['limits'] | null = null
  let limits: Config['limits']
  return () => {
    const now = current()
    if (now === from) return limits
    from = now
    limits = withinOpenFiles(now, files)
    if (limits !== now && limits.all.sockets !== null) lowered(limits.all.sockets)
    return limits
  }
}
