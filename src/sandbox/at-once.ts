import { setTimeout as pause } from 'node:timers/promises'
import type { WireReply } from './server.ts'
import type { Story } from './stories.ts'
import type { Task } from './task.ts'
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

interface Streamed<Facts> {
  /** How many images on their way are shown. */
  readonly partials: number
  readonly headers: Readonly<Record<string, string>>
  partial(task: Task<Facts>, index: number): Promise<ServerSentEvent>
  /** The last events, from what a reply in one piece would be. */
  last(task: Task<Facts>, reply: WireReply): Promise<readonly ServerSentEvent[]> | readonly ServerSentEvent[]
}

export interface ServerSentEvent {
  readonly event: string
  readonly data: object
}

/** The reply to a submit that comes as events: begun at once, with its images on their way, and ended as `submitHeld` is answered. */
export const submitStreamed = <Facts>(
  kit: Kit<Facts>,
  model: unknown,
  body: unknown,
  closed: Promise<void>,
  streamed: (task: Task<Facts>) => Streamed<Facts>,
): Promise<WireReply> =>
  kit.submit(model, body, (task) => {
    const reply = streamed(task)
    const pieces = eventsOf(kit, task, closed, reply)
    return kit.accepted([task], { status: 200, body: null, type: 'text/event-stream', headers: reply.headers, pieces })
  })

async function* eventsOf<Facts>(
  kit: Kit<Facts>,
  task: Task<Facts>,
  closed: Promise<void>,
  { partials, partial, last }: Streamed<Facts>,
): AsyncGenerator<string> {
  const durationMs = Math.max(...task.images.map((image) => image.durationMs))
  for (let index = 0; index < partials; index += 1) {
    await Promise.race([pause(durationMs / (partials + 1), undefined, { ref: false }), closed])
    yield textOf(await partial(task, index))
  }
  for (const event of await last(task, await kit.held(task, closed))) yield textOf(event)
}

const textOf = ({ event, data }: ServerSentEvent): string => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`

/** A submit that is answered when its task has ended, or its client is gone. */
export const submitHeld = <Facts>(kit: Kit<Facts>, model: unknown, body: unknown, closed: Promise<void>): Promise<WireReply> =>
  kit.submit(model, body, async (task) => kit.accepted([task], await kit.held(task, closed)))
