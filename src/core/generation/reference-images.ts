import type { GenerationRecord, ImageRecord, Reference } from '../records.ts'
import type { Ids } from '../ports.ts'

/** References that came with the request, as bytes or as links, get an image id of their own, so that their key can name them again. */
export const identified = (references: readonly Reference[], ids: Pick<Ids, 'image'>): readonly Reference[] =>
  references.map((reference) => (reference.kind === 'stored' && reference.id === undefined ? { ...reference, id: ids.image() } : reference))

/** The rows of a request's stored references. One that was named by its id has its row already. */
export const referenceRows = ({ id: generationId, references }: Pick<GenerationRecord, 'id' | 'references'>): readonly ImageRecord[] =>
  references.flatMap((reference) => {
    if (reference.kind !== 'stored' || reference.id === undefined || reference.bytes === undefined) return []
    const { id, sha256, format, bytes, pixels } = reference
    return [{ id, generationId, sha256, format, bytes, ...pixels, seed: null, flagged: null, link: null }]
  })
