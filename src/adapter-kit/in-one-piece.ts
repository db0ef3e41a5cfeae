/** An id and most reasons fit in. */
const bytes = Buffer.alloc(256)

/**
 * A copy of a text that is kept for long, in one piece. V8 keeps a text that was put together as its parts, and then `JSON.stringify` takes
 * three times as long for everything it writes with it. A lone surrogate becomes U+FFFD.
 */
export const inOnePiece = (text: string): string =>
  text.length * 3 > bytes.length ? Buffer.from(text).toString() : bytes.toString('utf8', 0, bytes.write(text))
