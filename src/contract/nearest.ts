/** The known name closest to a misspelt one, or null where none is near. */
export function nearest(name: string, known: readonly string[]): string | null {
  const most = Math.max(2, Math.floor(name.length / 3))
  let best: { readonly name: string; readonly distance: number } | null = null
  for (const candidate of known) {
    // As many characters as one is longer must go.
    if (Math.abs(candidate.length - name.length) > most) continue
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (best === null || distance < best.distance) best = { name: candidate, distance }
  }
  return best !== null && best.distance <= most ? best.name : null
}

/** The remedy for a name that does not exist among `known`. */
export function suggest(name: string, known: readonly string[]): string {
  const near = nearest(name, known)
  if (near !== null) return `did you mean "${near}"?`
  return known.length === 0 ? 'there are none' : `known: ${known.join(', ')}`
}

export function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (let row = 1; row <= left.length; row++) {
    const current = [row]
    for (let column = 1; column <= right.length; column++) {
      const substitution = (previous[column - 1] ?? 0) + (left[row - 1] === right[column - 1] ? 0 : 1)
      current.push(Math.min(substitution, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    previous = current
  }
  return previous[right.length] ?? 0
}
