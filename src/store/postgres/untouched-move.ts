import type { Connections } from './connections.ts'
import { prepare } from './statement.ts'

/** Among the secrets while no gateway has worked with what a move brought. */
const NAME = 'moved'

const isMarked = prepare(`SELECT 1 FROM secrets WHERE name = '${NAME}'`)
const mark = prepare(`INSERT INTO secrets (name, value) VALUES ('${NAME}', '')`)
const unmark = prepare(`DELETE FROM secrets WHERE name = '${NAME}'`)
const holdsAny = prepare('SELECT 1 WHERE EXISTS (SELECT 1 FROM generations) OR EXISTS (SELECT 1 FROM gateway_keys)')

type Read = Connections['read']

/** A move has brought everything that the database holds. */
export const markMoved = async (read: Read): Promise<void> => void (await read(mark()))

/** A gateway begins to work with the database. Only the first one behind a move has anything to write. */
export async function workBegins(read: Read): Promise<void> {
  if ((await read(isMarked())).length > 0) await read(unmark())
}

/** Whether what the database holds is more, or further on, than what a move brought. */
export async function wasWorkedWith(read: Read): Promise<boolean> {
  return (await read(isMarked())).length === 0 && (await read(holdsAny())).length > 0
}
