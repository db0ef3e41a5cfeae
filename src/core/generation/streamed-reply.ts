import { formatOf, SIGNATURE_BYTES } from '#contract'
import type { PartialImage, Provider } from '#contract'
import { wholeInline } from '../../reading/inline-bytes.ts'
import type { ReplyListener } from '../ports.ts'
import type { AttemptRecord } from '../records.ts'
import { defectIn, logFields } from './log-fields.ts'
import { isCanceled, type Core, type OpenGeneration } from './open-generation.ts'
import { remember } from './outcome.ts'
import { publish } from './save.ts'

/** A larger partial image is not passed on. */
const MOST_BYTES = 16 * 1_024 * 1_024

/**
 * Hears a streamed reply while it comes. Its beginning proves that the vendor has the task, and what names it is on disk before anything can
 * be lost; partial images go to who watches, and nowhere else.
 */
export function listenTo(core: Core, open: OpenGeneration, attempt: AttemptRecord, { id, adapter }: Provider): ReplyListener {
  const read = <Result>(step: () => Result): Result | null => {
    try {
      return step()
    } catch (error) {
      core.ports.log.error(
        { ...logFields(open.record, attempt), provider: id, error: defectIn(error) },
        'part of a reply could not be read',
      )
      return null
    }
  }
  return {
    begun(start) {
      const said = read(() => adapter.begun?.(start)) ?? null
      if (said === null || attempt.endedAt !== null) return
      remember(attempt, said)
      void publish(core, open)
    },
    event(event) {
      const partial = read(() => adapter.partial?.(event)) ?? null
      if (partial === null) return false
      if (!isCanceled(open)) showPartial(core, open, attempt, id, partial)
      return true
    },
  }
}

function showPartial(
  core: Core,
  { record }: OpenGeneration,
  attempt: AttemptRecord,
  provider: string,
  { index, data }: PartialImage,
): void {
  core.watchers.showPartial(record, () => {
    const bytes = wholeInline(data, MOST_BYTES)
    const format = bytes && formatOf(bytes.subarray(0, SIGNATURE_BYTES))
    if (!bytes || !format) return null
    const at = core.ports.clock.now()
    return { at, provider, attempt: record.attempts.indexOf(attempt) + 1, index, format, base64: bytes.toString('base64') }
  })
}
