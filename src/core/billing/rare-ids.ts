import type { Breathe } from '../ports.ts'

/** Ids differ in their last characters. */
const LAST_CHARS = 16

function markOf(id: string): number {
  let mark = id.length
  for (let at = Math.max(0, id.length - LAST_CHARS); at < id.length; at += 1) mark = (Math.imul(mark, 31) + id.charCodeAt(at)) | 0
  return mark
}

/**
 * Of a million ids, which may be among these few: where this says no, none is. V8 keeps each text that a map is asked for in one table of its
 * own, and everything stops for 70 ms and more where that grows for a million of them, so that a map is asked for what it may have alone.
 */
export async function rareIds(ids: Iterable<string>, breathe: Breathe): Promise<(id: string) => boolean> {
  const marks = new Set<number>()
  for (const id of ids) {
    marks.add(markOf(id))
    await breathe()
  }
  return (id) => marks.has(markOf(id))
}
