import type { NodeMessage } from '../../core/nodes.ts'
import { prepare } from './statement.ts'
import type { Statement } from './statement.ts'

/** Where processes that share a database say what they have to say. A message is at most 8,000 bytes. */
export const CHANNEL = 'imagegate'

const notify = prepare(`SELECT pg_notify('${CHANNEL}', $1)`)

/** Heard by all once the transaction is committed. */
export const sayStatement = (message: NodeMessage): Statement => notify(JSON.stringify(message))

/** SQL: a message about the value of an expression. */
export const sqlMessage = (kind: NodeMessage['kind'], field: string, value: string): string =>
  `pg_notify('${CHANNEL}', json_build_object('kind', '${kind}', '${field}', ${value})::text)`

/** Null where it is not ours, or of another version. */
export function readMessage(payload: string): NodeMessage | null {
  try {
    const read = JSON.parse(payload) as Partial<Record<string, unknown>>
    return typeof read['kind'] === 'string' ? (read as unknown as NodeMessage) : null
  } catch {
    return null
  }
}
