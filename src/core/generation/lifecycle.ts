import type { AttemptRecord } from '../records.ts'
import { collect } from './collect.ts'
import { conclude } from './conclude.ts'
import type { Next } from './next.ts'
import type { Core, OpenGeneration } from './open-generation.ts'
import { trackOf } from './open-generation.ts'
import { poll } from './poll.ts'
import { prepareSubmit, recoverSubmit, sendSubmit } from './submit.ts'

/**
 * What happens to a generation, from POST to image.
 *
 * `accept.ts` makes a request into a generation with its routes: the offers that will be tried, in order. `begin.ts` puts it on disk. Only
 * then is the caller answered and anything sent. Each route buys the images in one or more paid tasks. One try of one task is an attempt.
 * An attempt's status says what has happened to it, and so what comes next:
 *
 *   queued      Nothing is bought. The attempt waits until its provider is available and has a free slot. Then the intent to buy is
 *               written to disk, with the acceptance where a slot is free at once. Where the wait is too long, the attempt fails.
 *   submitting  The intent is on disk. The submit, the one call that costs money, is sent once.
 *   pending     The vendor has the task, or may have it. It is polled until the vendor says how it ended, or the deadline is over.
 *   collecting  The vendor has made the images. Each is fetched, checked and stored; a failed fetch is repeated while the link can live.
 *   succeeded · failed · canceled
 *               The attempt has ended, and its cost is in the ledger. Then (`conclude.ts`) the same task gets another attempt, or the next
 *               route is tried, both only where this one provably cost nothing; or the generation ends.
 *
 * `advance` does the one step that comes next and returns when the step after it is. The driver (`driver.ts`) does the waiting, holds the
 * slot, and calls `advance` again. Each step writes to disk what it did before the next step relies on it and before anybody sees it.
 *
 * After a crash (`resume.ts`) the driver calls `advance` for each attempt that is open on disk:
 *
 *   queued      Nothing was bought. It waits as before.
 *   submitting  The submit may have been sent, so it is never sent again. Where the vendor can be asked, the attempt is pending, and the
 *               first poll asks; elsewhere it fails with `outcome_unknown`.
 *   pending     The next poll, which is on disk, is sent.
 *   collecting  The links are on disk. All images of the attempt are fetched again.
 *
 * Where every attempt has ended and the generation has not, `conclude` decides again what follows.
 *
 * Nothing else has a way of its own. A vendor's callback is `advance` now instead of later. A cancel sets the generation's status and calls
 * `advance`: each step ends its attempt when it sees that, but the reply of a submit on its way is awaited, and images that are made are
 * still stored, because both are paid for. Where the vendor has a cancel (`cancel-at-vendor.ts`), it is asked to stop the task, and its word
 * ends the attempt. At a stop of the server the driver no longer calls `advance`; an attempt
 * whose submit is not sent by then is `queued` again.
 *
 * @param hasSlot whether the driver holds a slot for this attempt at its provider; only `queued` asks
 */
export function advance(core: Core, open: OpenGeneration, attempt: AttemptRecord, hasSlot: boolean): Promise<Next> {
  const track = trackOf(core, open, attempt)
  switch (attempt.status) {
    case 'queued':
      return prepareSubmit(core, open, attempt, track, hasSlot)
    case 'submitting':
      // `unsent` is in memory only: it is there when this process wrote the intent and has not sent the submit yet.
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
