import type { AttemptRecord } from '../records.ts'
import { collect } from './collect.ts'
import { conclude } from './conclude.ts'
import type { Next } from './next.ts'
import type { Core, OpenGeneration } from './open-generation.ts'
import { trackOf } from './open-generation.ts'
import { poll } from './poll.ts'
import { prepareSubmit, recoverSubmit, sendSubmit } from './submit.ts'

/**
 * A generation, from the request to its image, is rows on disk. A generation has attempts, one for each paid task, and each attempt has a
 * status:
 *
 *   queued      It waits for a free slot at its provider, which is asked again whether it may be bought from.
 *   submitting  The intent to buy is on disk. Then the submit is sent, once. A submit is never sent again.
 *   pending     The vendor has the task, or may have it. It is polled until the vendor says how it ended, or the deadline is over.
 *   collecting  The vendor is done. Each image is fetched, checked and stored, while its link can live.
 *   succeeded · failed · canceled
 *               It is settled. Its task is tried again, the next provider is tried, or the generation ends.
 *
 * `advance` does the one thing that comes next and returns what comes after it, as data. The driver (`driver.ts`) does the waiting, holds
 * the slots, and calls `advance` again. Every step writes its state to disk before the next one begins and before anybody sees it. So
 *
 *   - a restart is `advance` for every attempt that was open (`submitting`, and not by this process: the vendor is asked what became of it),
 *   - a callback of the vendor is `advance` now instead of later,
 *   - a cancel sets the generation's status, then `advance`: each step ends its attempt when it finds it,
 *   - a stop of the server is a driver that calls `advance` no more.
 */
export async function advance(core: Core, open: OpenGeneration, attempt: AttemptRecord, hasSlot: boolean): Promise<Next> {
  const track = trackOf(core, open, attempt)
  switch (attempt.status) {
    case 'queued':
      return prepareSubmit(core, open, attempt, track, hasSlot)
    case 'submitting':
      return track.unsent ? sendSubmit(core, open, attempt, track, track.unsent) : recoverSubmit(core, open, attempt, track)
    case 'pending':
      return poll(core, open, attempt, track)
    case 'collecting':
      return collect(core, open, attempt, track)
    case 'succeeded':
    case 'failed':
    case 'canceled':
      return conclude(core, open)
  }
}
