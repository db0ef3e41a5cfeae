export interface CountBounds {
  readonly maxDepth: number
  /** Members and elements of everything. */
  readonly maxValues: number
  /** Elements of one array, members of one object. */
  readonly maxSiblings: number
}

export const QUOTE = 0x22
const COMMA = 0x2c
const OPENS_OBJECT = 0x7b
const OPENS_ARRAY = 0x5b
const OPENERS = new Set([OPENS_ARRAY, OPENS_OBJECT])
const CLOSERS = new Set([0x5d, 0x7d])
const SPECIAL = new Uint8Array(256)
for (const byte of [QUOTE, COMMA, ...OPENERS, ...CLOSERS]) SPECIAL[byte] = 1

/** Whether a byte outside of strings begins or ends a value. */
export const isSpecial = (byte: number): boolean => SPECIAL[byte] === 1

/** JSON is not nested deeper than so many brackets and braces open in it, those in texts counted too. */
export function mostDepth(bytes: Buffer): number {
  let opened = 0
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at]
    if (byte === OPENS_OBJECT || byte === OPENS_ARRAY) opened += 1
  }
  return opened
}

/** Of an array: where it has no names. */
const NO_NAMES = -1
/** An object whose first name has not come. */
const NO_NAME_YET = -2
const MOST_NAME_BYTES = 200

/** Where in JSON its reader is, and how much has come so far. */
export class JsonPosition {
  readonly #bounds: CountBounds
  /** How many values each open array or object has so far, and where its last name begins in what is kept. */
  readonly #siblings: number[] = []
  readonly #names: number[] = []
  #values = 0
  #isNameNext = false

  constructor(bounds: CountBounds) {
    this.#bounds = bounds
  }

  get values(): number {
    return this.#values
  }

  /** A special byte that is no quote. Returns why it is one too many; null where it is not. */
  count(byte: number): string | null {
    const { maxDepth, maxValues, maxSiblings } = this.#bounds
    if (CLOSERS.has(byte)) {
      this.#siblings.pop()
      this.#names.pop()
      this.#isNameNext = false
      return null
    }
    this.#values += 1
    const last = this.#siblings.length - 1
    if (byte === COMMA && last >= 0) {
      const siblings = (this.#siblings[last] ?? 0) + 1
      this.#siblings[last] = siblings
      this.#isNameNext = this.#names[last] !== NO_NAMES
      if (siblings >= maxSiblings) return `holds a list or object of more than ${maxSiblings} entries`
    } else if (byte !== COMMA) {
      this.#siblings.push(0)
      this.#isNameNext = byte === OPENS_OBJECT
      this.#names.push(this.#isNameNext ? NO_NAME_YET : NO_NAMES)
    }
    if (this.#siblings.length > maxDepth) return `is nested deeper than ${maxDepth} levels`
    return this.#values > maxValues ? `holds more than ${maxValues} values` : null
  }

  /** A string begins: a name where one is due. @param start of its characters in what is kept */
  beginString(start: number): void {
    if (!this.#isNameNext) return
    this.#isNameNext = false
    this.#names[this.#names.length - 1] = start
  }

  /** Names and numbers that lead to the value that is being read, each name cut to a length that is shown. */
  path(kept: Buffer): readonly (string | number)[] {
    return this.#names.flatMap((start, level): (string | number)[] => {
      if (start === NO_NAMES) return [this.#siblings[level] ?? 0]
      return start === NO_NAME_YET ? [] : [nameAt(kept, start)]
    })
  }
}

function nameAt(kept: Buffer, start: number): string {
  const written = kept.toString('utf8', start - 1, start + MOST_NAME_BYTES)
  const [name] = /^"(?:[^"\\]|\\.)*"/.exec(written) ?? []
  try {
    return name === undefined ? `${written.slice(1)}…` : (JSON.parse(name) as string)
  } catch {
    return written.slice(1)
  }
}
