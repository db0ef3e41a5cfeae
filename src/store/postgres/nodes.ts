import { RateLimiterPostgres } from 'rate-limiter-flexible'
import type { Limiter, NodeMessage, Nodes } from '../../core/nodes.ts'
import type { Instant } from '../../core/records.ts'
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

interface Around {
  /** The server's clock. */
  readonly now: () => Instant
  /** Another process let go of a slot; whether that helps anybody here is not known yet. */
  readonly onFreed: (provider: string) => void
}

export function nodesOf({ read }: Connections, sharing: Sharing, { now, onFreed }: Around): HeardNodes {
  const listeners: ((message: NodeMessage) => void)[] = []
  const heard = (message: NodeMessage): void => listeners.forEach((listener) => listener(message))
  sharing.onMessage((message) => (message.kind === 'freed' ? onFreed(message.provider) : heard(message)))
  return {
    onMessage: (listener) => void listeners.push(listener),
    heard,
    // What is not heard is found at the next catch-up.
    say: async (message) => void (await read(sayStatement(message)).catch(() => {})),
    limiter: (policy, points, windowSeconds) => limiterIn(read, { policy, points, windowSeconds, now }),
    askCancel: async (generationId) => void (await read(askCancel(generationId))),
  }
}

interface Window {
  readonly policy: string
  readonly points: number
  readonly windowSeconds: number
  readonly now: () => Instant
}

const limiterIn = (read: Connections['read'], { policy, points, windowSeconds, now }: Window): Limiter =>
  new RateLimiterPostgres({
    // It asks nothing else of a client.
    storeClient: { query: async (statement: Statement) => shifted(read, statement, now() - Date.now()) },
    storeType: 'client',
    schemaName: SCHEMA,
    tableName: 'rates',
    tableCreated: true,
    points,
    duration: windowSeconds,
    keyPrefix: `${policy}-${points}`,
  })

/** No number of points comes near it. */
const EARLIEST_MS = Date.UTC(2000)

/** It calculates with the milliseconds of this machine's clock, and what is kept are those of the server's, which is `aheadMs` ahead. */
async function shifted(read: Connections['read'], statement: Statement, aheadMs: number): Promise<{ readonly rows: readonly Row[] }> {
  const shift = (value: unknown, byMs: number): unknown => (typeof value === 'number' && value > EARLIEST_MS ? value + byMs : value)
  const rows = await read({ ...statement, values: statement.values.map((value) => shift(value, aheadMs)) })
  const number = (value: unknown): unknown => shift(typeof value === 'bigint' ? Number(value) : value, -aheadMs)
  return { rows: rows.map((row): Row => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, number(value)]))) }
}
