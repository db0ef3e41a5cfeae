import type { Instant } from '../../core/records.ts'
import { again } from './again.ts'
import type { Connections } from './connections.ts'
import { prepare } from './statement.ts'

const ASK_EVERY_MS = 5_000

const ask = prepare('SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now')

/** The server's wall time, the same for every process that uses the database, however wrong the clocks of their machines are. */
export interface ServerClock {
  now(): Instant
  stop(): Promise<void>
}

/** Asks the server now and again and again; in between, the time goes on with this process's monotonic clock. */
export async function readServerClock({ read }: Connections): Promise<ServerClock> {
  let ahead = await aheadOf(read)
  const stop = again(ASK_EVERY_MS, async () => {
    const found = await aheadOf(read)
    // Within what the way to the server may explain, nothing has changed.
    if (Math.abs(found.ms - ahead.ms) > (found.spreadMs + ahead.spreadMs) / 2 || found.spreadMs < ahead.spreadMs) ahead = found
  })
  return { now: () => Math.round(performance.now() + ahead.ms), stop }
}

/** How far the server's time is ahead of the monotonic clock, and within how much that is known. */
async function aheadOf(read: Connections['read']): Promise<{ readonly ms: number; readonly spreadMs: number }> {
  const askedAt = performance.now()
  const [row] = await read(ask())
  const answeredAt = performance.now()
  return { ms: Number(row?.['now']) - (askedAt + answeredAt) / 2, spreadMs: answeredAt - askedAt }
}
