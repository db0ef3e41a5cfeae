import { RateLimiterPostgres } from 'rate-limiter-flexible'
import type { Limiter, NodeMessage, Nodes } from '../../core/nodes.ts'
import type { Row } from '../rules/rows.ts'
import { SCHEMA } from './connections.ts'
import type { Connections } from './connections.ts'
import { sayStatement, sqlMessage } from './messages.ts'
import type { Sharing } from './sharing.ts'
import { prepare } from './statement.ts'
import type { Statement } from './statement.ts'

const askCancel = prepare(`
  WITH asked AS (UPDATE generations SET cancel_asked = true WHERE id = $1 AND open RETURNING id)
  SELECT ${sqlMessage('cancel', 'generationId', 'id')} FROM asked`)

/** What processes say to each other goes through the database. */
export interface HeardNodes extends Pick<Nodes, 'onMessage' | 'say' | 'askCancel' | 'limiter'> {
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
    say: async (message) => void (await read(sayStatement(message)).catch(() => {})),
    limiter: (policy, points, windowSeconds) => limiterIn(read, { policy, points, windowSeconds }),
    askCancel: async (generationId) => void (await read(askCancel(generationId))),
  }
}

interface Window {
  readonly policy: string
  readonly points: number
  readonly windowSeconds: number
}

const limiterIn = (read: Connections['read'], { policy, points, windowSeconds }: Window): Limiter =>
  new RateLimiterPostgres({
    // It asks nothing else of a client.
    storeClient: { query: async (statement: Statement) => ({ rows: (await read(statement)).map(withNumbers) }) },
    storeType: 'client',
    schemaName: SCHEMA,
    tableName: 'rates',
    tableCreated: true,
    points,
    duration: windowSeconds,
    keyPrefix: `${policy}-${points}`,
  })

/** It calculates with milliseconds. */
const withNumbers = (row: Row): Row =>
  Object.fromEntries(Object.entries(row).map(([name, value]) => [name, typeof value === 'bigint' ? Number(value) : value]))
