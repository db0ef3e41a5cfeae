import type { WireReply } from './server.ts'
import type { Story } from './stories.ts'
import type { Kit, States, Wire } from './wire.ts'

interface AtOnce<Facts> extends Pick<States<Facts, WireReply>, 'failed' | 'ready'> {
  /** What is at an address where nothing is. */
  readonly nothing: WireReply
  /** Stories for which the wire has no words, beside those of polls, links and seeds. */
  readonly unplayed?: readonly Story[]
}

/** The parts of a wire whose one call is held until its images are drawn, which come in the reply: it has no polls, no links and no seeds. */
export function atOnce<Facts>({
  nothing,
  unplayed = [],
  failed,
  ready,
}: AtOnce<Facts>): Pick<Wire<Facts>, 'unplayed' | 'delivery' | 'states'> {
  const never = (): WireReply => nothing
  return {
    unplayed: [
      ...(['vanished', 'unknown-status', 'poll-refused', 'big-seed'] as const),
      ...(['expired-link', 'late-link', 'flaky-link', 'gzip-link', 'range-link', 'drip-link', 'odd-link'] as const),
      ...unplayed,
    ],
    delivery: { path: '/none', dead: nothing },
    states: { unknown: never, vanished: never, refused: never, strange: never, pending: never, failed, ready },
  }
}

/** A submit that is answered when its task has ended, or its client is gone. */
export const submitHeld = <Facts>(kit: Kit<Facts>, model: unknown, body: unknown, closed: Promise<void>): Promise<WireReply> =>
  kit.submit(model, body, async (task) => kit.accepted([task], await kit.held(task, closed)))
