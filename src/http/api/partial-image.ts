import type { PartialView } from '../../core/generation/watchers.ts'
import { iso } from '../../core/instant.ts'

/** The name of the event that shows an image on its way. It has no number in the timeline and is never sent again. */
export const PARTIAL_IMAGE = 'partial_image'

/** What a change says, and the image in base64; its numbers count from 1 for the attempt and from 0 for the partial image. */
export const partialChange = (id: string, { at, provider, attempt, index, format, base64 }: PartialView) => ({
  id,
  type: PARTIAL_IMAGE,
  at: iso(at),
  provider,
  progress: null,
  partial_image: { attempt, index, format, b64_json: base64 },
})
