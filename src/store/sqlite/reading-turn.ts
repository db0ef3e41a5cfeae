import { itsTurn } from '../../reading/turn-share.ts'
import { turnOf } from '../../reading/turn-of.ts'

/**
 * Resolves when a list or a report may read on: of all of them one goes on in a turn, a key’s wait for each other, and for one of another key
 * at a time. What is read then is on disk.
 */
export type ReadingTurn = (query: { readonly key?: string | null | undefined }) => Promise<void>

export const readingTurns =
  (onDisk: () => Promise<void>): ReadingTurn =>
  async (query) => {
    await itsTurn(0, turnOf(query))
    await onDisk()
  }
