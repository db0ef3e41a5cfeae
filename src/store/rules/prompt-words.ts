/** Of a prompt, so many characters are searched. */
export const SEARCHED_CHARS = 2_000

/** The words of a search: all must be in a prompt, anywhere, in either case. */
export const wordsOf = (search: string): readonly string[] =>
  search
    .replaceAll('\0', ' ')
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '')

/** A prompt as it is searched. */
export const searchedText = (prompt: string): string => prompt.slice(0, SEARCHED_CHARS).toLowerCase()

/** Whether a prompt has all of the words. */
export const hasWords = (prompt: string, words: readonly string[]): boolean => {
  const searched = searchedText(prompt)
  return words.every((word) => searched.includes(word))
}
