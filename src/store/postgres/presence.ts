import type { Nodes, NodeState } from '../../core/nodes.ts'
import { again } from './again.ts'
import type { Connections } from './connections.ts'
import { prepare } from './statement.ts'

const SHOW_EVERY_MS = 5_000

/** The server's clock judges: those of the machines may differ. */
const show = prepare(`
  WITH gone AS (DELETE FROM nodes WHERE seen_at < now() - interval '1 hour'),
  unmarked AS (DELETE FROM unit_marks WHERE at < now() - interval '7 days')
  INSERT INTO nodes (id, revision) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, seen_at = now()`)
const leave = prepare('DELETE FROM nodes WHERE id = $1')
const all = prepare(`
  SELECT id, revision, (extract(epoch FROM started_at) * 1000)::bigint AS started_at, (extract(epoch FROM seen_at) * 1000)::bigint AS seen_at
  FROM nodes WHERE seen_at > now() - interval '15 seconds' ORDER BY nodes.started_at, id`)

export interface Presence extends Pick<Nodes, 'report' | 'list'> {
  stop(): Promise<void>
}

/** Which processes there are. What cannot be written is written five seconds later. */
export function createPresence({ read }: Connections, node: string): Presence {
  let revision: string | null = null
  const showNow = async (): Promise<void> => {
    if (revision !== null) await read(show(node, revision))
  }
  const stopShowing = again(SHOW_EVERY_MS, showNow)
  return {
    report(of) {
      revision = of
      void showNow().catch(() => {})
    },
    list: async () =>
      (await read(all())).map((row): NodeState => ({
        id: String(row['id']),
        isThis: row['id'] === node,
        revision: String(row['revision']),
        startedAt: Number(row['started_at']),
        seenAt: Number(row['seen_at']),
      })),
    async stop() {
      await stopShowing()
      if (revision !== null) await read(leave(node)).catch(() => {})
    },
  }
}
