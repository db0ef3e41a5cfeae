/** PostgreSQL's text has no NUL. It is written as this character of the private use area and a letter; so is the character itself. */
const MARK = '\uE000'
const NUL_AS = `${MARK}0`
const MARK_AS = `${MARK}1`

/** A value as a statement takes it, whatever text is in it. */
export function toStored(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toStored)
  if (typeof value !== 'string' || !(value.includes('\0') || value.includes(MARK))) return value
  return value.replaceAll(MARK, MARK_AS).replaceAll('\0', NUL_AS)
}

/** What `toStored` was given. */
export const fromStored = (text: string): string => (text.includes(MARK) ? text.replaceAll(NUL_AS, '\0').replaceAll(MARK_AS, MARK) : text)

/** The same of JSON that the server made of such text; it stays JSON. */
export const fromStoredJson = (json: string): string => json.replaceAll(NUL_AS, String.raw`\u0000`).replaceAll(MARK_AS, MARK)
