import type { Connections } from './connections.ts'
import { sqlMessage } from './messages.ts'
import { prepare } from './statement.ts'

/** A process that waits says so again and again; of one that does not, nobody knows whether it still does. */
const SAY_EVERY_MS = 1_000
/** A task that left the queue may be back at once: another process was quicker. */
const LEFT_AFTER_MS = 250
/** No turn comes after it: that of a key that waits nowhere. */
const AT_THE_END = '9223372036854775807'

/** SQL: when each key had its last turn at the provider $1, wherever. */
const LAST_TURNS = 'SELECT key, max(turn) AS turn FROM slot_turns WHERE provider = $1 GROUP BY key'

/** SQL: whether a row of another process comes before `key`; within a key, whose row has `turn`, the processes take turns. */
const comesFirst = (row: string, key: string, turn: string): string => `
  CASE WHEN ${row}.key = ${key} THEN ${row}.turn < coalesce(${turn}, ${AT_THE_END})
  ELSE (SELECT turn FROM last_turns WHERE key = ${row}.key) < coalesce((SELECT turn FROM last_turns WHERE key = ${key}), ${AT_THE_END}) END`

/** SQL, in the `WITH` of a statement about a provider $1, this process $5 and a key $6: the keys that wait elsewhere and come first. */
export const AHEAD = `
  last_turns AS (${LAST_TURNS}),
  ahead AS (
    SELECT DISTINCT o.key FROM slot_turns AS o
    WHERE o.provider = $1 AND o.node <> $5 AND o.waits_until > clock_timestamp() AND ${comesFirst(
      'o',
      '$6',
      '(SELECT turn FROM slot_turns WHERE provider = $1 AND node = $5 AND key = $6)',
    )}
  )`

/** What other processes hold of a provider's slots, and what is due to their keys before any that waits at this one. */
export const countElsewhere = prepare(`
  WITH last_turns AS (${LAST_TURNS}),
  others AS (SELECT key, turn FROM slot_turns WHERE provider = $1 AND node <> $2 AND waits_until > clock_timestamp()),
  mine AS (SELECT key, turn FROM slot_turns WHERE provider = $1 AND node = $2 AND waits_until > clock_timestamp())
  SELECT (SELECT count(*) FROM slots WHERE provider = $1 AND node <> $2) + coalesce(
    (SELECT min((SELECT count(DISTINCT o.key) FROM others AS o WHERE ${comesFirst('o', 'm.key', 'm.turn')})) FROM mine AS m),
    (SELECT count(DISTINCT key) FROM others)
  ) AS n`)

/** Those that wait here now. A key that begins to wait is the last; one that did before keeps its turn. */
const say = prepare(`
  WITH gone AS (
    UPDATE slot_turns SET waits_until = clock_timestamp()
    WHERE provider = $1 AND node = $2 AND waits_until > clock_timestamp() AND NOT key = ANY ($3::text[]) RETURNING provider
  ),
  here AS (
    INSERT INTO slot_turns (provider, node, key, waits_until)
    SELECT $1, $2, asked.key, clock_timestamp() + interval '3 seconds' FROM unnest($3::text[]) AS asked (key)
    ON CONFLICT (provider, key, node) DO UPDATE SET waits_until = excluded.waits_until
  )
  SELECT ${sqlMessage('freed', 'provider', 'provider')} FROM (SELECT DISTINCT provider FROM gone) AS g`)
const forget = prepare(`DELETE FROM slot_turns WHERE waits_until < now() - interval '10 minutes'`)

/** Which gateway keys wait for a slot of a provider here, as the other processes see it. */
export interface SlotTurns {
  waitFor(provider: string, keys: readonly string[]): void
  stop(): void
}

interface Waiting {
  wanted: readonly string[]
  said: readonly string[]
  saying: Promise<void>
  leaving: NodeJS.Timeout | null
}

/** @param onSaid whose turn it is may have changed */
export function createSlotTurns({ read }: Pick<Connections, 'read'>, node: string, onSaid: (provider: string) => void): SlotTurns {
  const all = new Map<string, Waiting>()

  function sayNow(provider: string, waiting: Waiting): void {
    if (waiting.leaving) clearTimeout(waiting.leaving)
    waiting.leaving = null
    const keys = waiting.wanted
    waiting.said = keys
    // In order: what is said last is what counts.
    waiting.saying = waiting.saying
      .then(async () => void (await read(say(provider, node, keys))))
      .then(
        () => onSaid(provider),
        () => {},
      )
  }
  const timer = setInterval(() => {
    for (const [provider, waiting] of all) {
      if (waiting.wanted.length > 0 || waiting.said.length > 0) sayNow(provider, waiting)
      else {
        all.delete(provider)
        void read(forget()).catch(() => {})
      }
    }
  }, SAY_EVERY_MS)
  timer.unref()
  return {
    waitFor(provider, keys) {
      const waiting = all.get(provider) ?? { wanted: [], said: [], saying: Promise.resolve(), leaving: null }
      all.set(provider, waiting)
      waiting.wanted = keys
      if (keys.some((key) => !waiting.said.includes(key))) sayNow(provider, waiting)
      else if (keys.length < waiting.said.length) waiting.leaving ??= setTimeout(() => sayNow(provider, waiting), LEFT_AFTER_MS).unref()
    },
    stop() {
      clearInterval(timer)
      for (const { leaving } of all.values()) if (leaving) clearTimeout(leaving)
    },
  }
}
