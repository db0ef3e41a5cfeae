import { FAILURES, type Warning } from '#contract'
import type { AttemptRecord, GenerationRecord, ImageRecord, Route } from '../records.ts'
import { adjusted } from './finding.ts'

/** The images of a generation in the order of the request's tasks, whatever arrived first; within a task as the provider listed them. */
export function orderedImages({ attempts, images }: Pick<GenerationRecord, 'attempts' | 'images'>): readonly ImageRecord[] {
  if (images.length < 2) return images
  const ranks = new Map<string, number>()
  const inOrder = attempts.toSorted((left, right) => left.route - right.route || left.task - right.task)
  for (const id of inOrder.flatMap(({ imageIds }) => imageIds)) if (!ranks.has(id)) ranks.set(id, ranks.size)
  const rankOf = ({ id }: ImageRecord): number => ranks.get(id) ?? ranks.size
  return images.toSorted((left, right) => rankOf(left) - rankOf(right))
}

/**
 * Where what was delivered differs from what was ordered: size, format and number, one warning for each field. Called once, when every task of
 * the route has ended. An image whose size or format cannot be seen, and what was not asked for, is never counted as a difference.
 * `on_unsupported: "reject"` changes nothing here: the images are made and paid.
 * @param attempts those of the route; a retried one does not count
 * @param images all that were delivered
 */
export function deliveryWarnings(route: Route, attempts: readonly AttemptRecord[], images: readonly ImageRecord[]): readonly Warning[] {
  return [...otherSize(route, images), ...otherFormat(route, images), ...otherNumber(route, attempts, images)]
}

function otherSize({ applied, provider }: Route, images: readonly ImageRecord[]): readonly Warning[] {
  const { width, height } = applied
  if (width === undefined || height === undefined) return []
  const other = images.find((image) => image.width !== null && image.height !== null && (image.width !== width || image.height !== height))
  if (!other) return []
  const used = { width: other.width, height: other.height }
  return [adjusted('width', { width, height }, used, `${provider} delivered another size than was ordered.`)]
}

function otherFormat({ applied, provider }: Route, images: readonly ImageRecord[]): readonly Warning[] {
  const ordered = applied.output_format
  const other = ordered === undefined ? undefined : images.find(({ format }) => format !== null && format !== ordered)
  if (!other || ordered === undefined) return []
  return [adjusted('output_format', ordered, other.format, `${provider} delivered another format than was ordered.`)]
}

function otherNumber({ applied, provider }: Route, attempts: readonly AttemptRecord[], images: readonly ImageRecord[]): readonly Warning[] {
  const [ordered, delivered] = [applied.n, images.length]
  if (delivered === ordered || delivered === 0) return []
  if (delivered > ordered)
    return [adjusted('n', ordered, delivered, `${provider} delivered more images than were ordered; all of them are kept.`)]
  const code = attempts.find(({ retried, error }) => !retried && error !== null)?.error?.code
  const reason = code ? `${code}: ${FAILURES[code].remedy}` : `${provider} delivered fewer images than were ordered.`
  return [adjusted('n', ordered, delivered, reason)]
}
