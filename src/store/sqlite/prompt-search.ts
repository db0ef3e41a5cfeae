import type { DatabaseSync } from 'node:sqlite'
import type { UnitOfWork } from '../../core/ports.ts'
import { SEARCHED_CHARS } from '../rules/prompt-words.ts'
import { fedBehind } from './fed-behind.ts'
import type { GroupCommit } from './group-commit.ts'

/** So many states of generations are written before the index is brought up to date: some hundred generations, which a search reads one by one. */
const FED_AFTER_WRITES = 1_500
/**
 * Fed in one transaction, of usual prompts so many and of long ones fewer: a few milliseconds. Two hundred at once take half the CPU for each
 * that forty take, and write a third of the bytes.
 */
const BATCH = 200
const MOST_BATCH_CHARS = 40 * SEARCHED_CHARS

export interface PromptSearch {
  /** A unit that is being written: its new generations will have to be indexed. */
  noteWritten(unit: UnitOfWork): void
  /** Feeds the index until it is up to date, in turns. */
  feed(): Promise<void>
  /** The last generation that is in the index; those after it are not. */
  indexedTo(): number
}

/**
 * The index of prompts, fed behind the acceptance of generations: in one transaction many prompts cost a tenth each. A search reads what is
 * not in the index yet from the generations themselves.
 */
export function promptSearch(database: DatabaseSync, group: Pick<GroupCommit, 'add'>): PromptSearch {
  const last = database.prepare('SELECT coalesce(max(id), 0) AS number FROM prompt_search_docsize')
  const next = database.prepare(
    `SELECT number, substr(plan ->> '$.request.prompt', 1, ${SEARCHED_CHARS}) AS prompt FROM generation_plans WHERE number > ? ORDER BY number LIMIT ${BATCH}`,
  )
  const insert = database.prepare('INSERT INTO prompt_search (rowid, prompt) VALUES (?, ?)')

  const indexedTo = (): number => Number(last.get()?.['number'])
  function feedBatch(): boolean {
    let [rows, chars] = [0, 0]
    for (const row of next.iterate(indexedTo())) {
      const prompt = String(row['prompt'] ?? '')
      insert.run(Number(row['number']), prompt)
      rows += 1
      chars += prompt.length
      if (chars >= MOST_BATCH_CHARS) return true
    }
    return rows === BATCH
  }
  const fed = fedBehind(group, { after: FED_AFTER_WRITES, feedBatch })

  if (next.get(indexedTo()) !== undefined) void fed.feed()
  return { noteWritten: ({ generations = [] }) => fed.noteWritten(generations.length), feed: fed.feed, indexedTo }
}

/** The index knows threes of characters. */
const isLong = (word: string): boolean => /.{3}/su.test(word)

/** The index's own language; null where no word is long enough for it. */
export function matchOf(words: readonly string[]): string | null {
  const long = words.filter(isLong)
  return long.length === 0 ? null : long.map((word) => `"${word.replaceAll('"', '""')}"`).join(' AND ')
}
