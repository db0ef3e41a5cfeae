import type { NodeMessage, Nodes } from '../../core/nodes.ts'
import type { Connections } from './connections.ts'
import { sayStatement, sqlMessage } from './messages.ts'
import type { Sharing } from './sharing.ts'
import { prepare } from './statement.ts'

const askCancel = prepare(`
  WITH asked AS (UPDATE generations SET cancel_asked = true WHERE id = $1 AND open RETURNING id)
  SELECT ${sqlMessage('cancel', 'generationId', 'id')} FROM asked`)

/** What processes say to each other goes through the database. */
export interface HeardNodes extends Pick<Nodes, 'onMessage' | 'say' | 'askCancel'> {
  /** A message of this process to itself. */
  heard(message: NodeMessage): void
}

/** @param onFreed another process let go of a slot; whether that helps anybody here is not known yet */
export function nodesOf({ read }: Connections, sharing: Sharing, onFreed: (provider: string) => void): HeardNodes {
  const listeners: ((message: NodeMessage) => void)[] = []
  const heard = (message: NodeMessage): void => listeners.forEach((listener) => listener(message))
  sharing.onMessage((message) => (message.kind === 'freed' ? onFreed(message.provider) : heard(message)))
  return {
    onMessage: (listener) => void listeners.push(listener),
    heard,
    // What is not heard is found at the next catch-up.
    say: (message) =>
      read(sayStatement(message)).then(
        () => {},
        () => {},
      ),
    askCancel: async (generationId) => void (await read(askCancel(generationId))),
  }
}
