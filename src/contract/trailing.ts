/**
 * A text without the characters at its end that are all `character`. `/x+$/` would begin anew at each run of them that something follows, which
 * takes the square of their number.
 */
export function withoutTrailing(text: string, character: string): string {
  const code = character.charCodeAt(0)
  let end = text.length
  while (end > 0 && text.charCodeAt(end - 1) === code) end -= 1
  return end === text.length ? text : text.slice(0, end)
}
