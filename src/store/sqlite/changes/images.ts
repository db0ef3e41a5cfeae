import type { ImageRecord } from '../../../core/records.ts'
import type { ChangeKind } from '../change.ts'

const flag = (value: boolean | null): number | null => (value === null ? null : Number(value))

/** Saves delivered images, which a resumed generation may save a second time, and reference images. */
export const imageChanges: ChangeKind = (database) => {
  const upsert = database.prepare(`
    INSERT INTO images (id, generation_id, sha256, format, width, height, bytes, seed, flagged, link_url, link_expires_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET
      sha256 = excluded.sha256, format = excluded.format, width = excluded.width, height = excluded.height, bytes = excluded.bytes,
      seed = excluded.seed, flagged = excluded.flagged, link_url = excluded.link_url, link_expires_at = excluded.link_expires_at`)

  const insert = database.prepare(`
    INSERT INTO images (id, generation_id, sha256, format, width, height, bytes) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`)

  const save = ({ id, generationId, sha256, format, width, height, bytes, seed, flagged, link }: ImageRecord): void => {
    const url = link?.url ?? null
    const expiresAt = link?.expiresAt ?? null
    upsert.run(id, generationId, sha256, format, width, height, bytes, seed, flag(flagged), url, expiresAt)
  }

  const saveReference = ({ id, generationId, sha256, format, width, height, bytes }: ImageRecord): void =>
    void insert.run(id, generationId, sha256, format, width, height, bytes)

  return ({ images = [], references = [] }) => {
    if (images.length === 0 && references.length === 0) return null
    const taken = [...images]
    return {
      apply() {
        taken.forEach(save)
        references.forEach(saveReference)
      },
    }
  }
}
