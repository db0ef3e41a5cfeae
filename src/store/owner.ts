import { statSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Whether another user owns a folder, or the nearest one above it that this process can see: the usual reason why it cannot be used. In words, with the
 * remedy; empty where it is this user's own, where this user may write everywhere, and where the system has no owners.
 */
export function belongsToAnother(folder: string): string {
  const user = process.getuid?.()
  const owner = ownerOf(folder)
  if (user === undefined || user === 0 || owner === null || owner === user) return ''
  return `; it belongs to user ${owner} and this process runs as user ${user}: run it as that user, or chown -R ${user} ${folder}`
}

function ownerOf(path: string): number | null {
  try {
    return statSync(path).uid
  } catch {
    // Not there, or not to be seen by this user.
    return dirname(path) === path ? null : ownerOf(dirname(path))
  }
}
