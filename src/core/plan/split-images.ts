/** Images in each paid task: full batches, then the rest. */
export function splitImages(images: number, batch: number): readonly number[] {
  if (images <= batch) return [images]
  const full = Math.floor(images / batch)
  const rest = images % batch
  return [...Array.from({ length: full }, () => batch), ...(rest > 0 ? [rest] : [])]
}
