import { createHash } from 'node:crypto'

/** Our image ids are a UUID v7 without dashes; its version digit is the 13th. */
const OWN_ID = /^img_([0-9a-f]{8})([0-9a-f]{4})7([0-9a-f]{3})([0-9a-f]{4})([0-9a-f]{12})$/
const UUID_V4 = /^([0-9a-f]{8})-([0-9a-f]{4})-4([0-9a-f]{3})-([0-9a-f]{4})-([0-9a-f]{12})$/

/** The image's id as a UUID v4, which leads back to it; of any other id, a UUID that is always the same. */
export function imageUuidOf(imageId: string): string {
  const own = OWN_ID.exec(imageId)
  const [, a = '', b = '', c = '', d = '', e = ''] =
    own ?? /^(.{8})(.{4}).(.{3}).(.{3})(.{12})/.exec(createHash('sha256').update(imageId).digest('hex')) ?? []
  return `${a}-${b}-4${c}-${own ? d : `8${d}`}-${e}`
}

/** The image a UUID of `imageUuidOf` stands for, or would; null where the text is no UUID v4. */
export function imageIdOf(uuid: string): string | null {
  const found = UUID_V4.exec(uuid.toLowerCase())
  if (!found) return null
  const [, a = '', b = '', c = '', d = '', e = ''] = found
  return `img_${a}${b}7${c}${d}${e}`
}
