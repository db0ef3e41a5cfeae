import type { GenerationRecord } from '../../src/core/records.ts'
import type { Vendors } from './vendors.ts'

/** Stories in which the vendor loses the reply that it owes. */
const LOSES_REPLY = /sandbox:(lost-reply|half|garbage)/

export interface UnknownOutcomes {
  /** The vendor sent no whole reply. */
  readonly no_reply: number
  /** The process was killed while the submit was under way. */
  readonly killed_in_submit: number
  /** Of those whose reply had left the vendor, the longest time before the process was killed. */
  readonly longest_from_reply_to_kill_ms: number
  /** The vendor replied, the process lived on for longer than it needs to write that down, and does not know it: a fault of the gateway. */
  readonly unexplained: readonly string[]
}

/** How long a process may take to write down a reply that has left its vendor; a machine on which a start takes a minute starves it of more. */
const MOST_TO_WRITE_MS = 5_000
const SHARE_OF_START = 0.25

/** Notes when each submit came to its vendor, when its reply left, and when a process was killed, to say afterwards why an outcome is not known. */
export function watchReplies({ fronts }: Vendors, markIn: (body: string) => string) {
  const submits = new Map<string, { readonly cameAt: number; readonly repliedAt: number }>()
  const killedAt: number[] = []
  for (const front of fronts.values())
    front.beforeReply = ({ purpose, body, at }) => {
      if (purpose === 'submit') submits.set(markIn(body), { cameAt: at, repliedAt: Date.now() })
    }
  return {
    killed: () => void killedAt.push(Date.now()),
    /** @param slowestStartMs what shows how starved the machine was */
    explain(records: readonly GenerationRecord[], markOf: (record: GenerationRecord) => string, slowestStartMs: number): UnknownOutcomes {
      const mostMs = Math.max(MOST_TO_WRITE_MS, slowestStartMs * SHARE_OF_START)
      const waits = records.flatMap((record) => {
        if (LOSES_REPLY.test(record.request.prompt)) return []
        const submit = submits.get(markOf(record))
        // The process that sent it ended at the first kill since; one that was killed before any reply left has nothing to answer for.
        const killed = killedAt.find((at) => at >= (submit?.cameAt ?? 0)) ?? Infinity
        return [{ id: record.id, ms: submit === undefined ? 0 : Math.max(0, killed - submit.repliedAt) }]
      })
      const killed = waits.filter(({ ms }) => ms <= mostMs)
      return {
        no_reply: records.length - waits.length,
        killed_in_submit: killed.length,
        longest_from_reply_to_kill_ms: Math.max(0, ...killed.map(({ ms }) => ms)),
        unexplained: waits.filter(({ ms }) => ms > mostMs).map(({ id }) => id),
      }
    },
  }
}
