/** One code table of a JPEG, ready to be read many bits at a time. Of a value only its length matters, so code and value are one. */
export interface CodeTable {
  /** By the next bits: the first code with its value, as an entry; 0 where the code is longer than these bits or does not exist. */
  readonly first: Uint16Array
  /** As many codes as fit, values included, of which the last may reach further. All but the last cover at most `HALF_BLOCK` coefficients together. */
  readonly several: Uint16Array
  /** Per code length: the first code, the number of codes, and the index of the first one's entry. */
  readonly firstCode: Int32Array
  readonly codes: Int32Array
  readonly firstIndex: Int32Array
  readonly entries: Uint16Array
}

export const AHEAD_BITS = 12
const AHEAD_MASK = (1 << AHEAD_BITS) - 1
/** From within the first half of a block, codes that cover so many more are its own. */
export const HALF_BLOCK = 31
/** Covered by the code that ends a block: more than any other can cover. */
export const END_OF_BLOCK = 128
export const LONGEST_CODE = 16
const MAX_VALUE_BITS = 16

// An entry holds how many bits a code has with its value, or several have, and what they cover.
const entry = (bits: number, covered: number): number => bits | (covered << 8)
export const bitsOf = (of: number): number => of & 0xff
export const coveredOf = (of: number): number => of >> 8

/** A table as a segment defines it. */
interface Definition {
  /** How many codes there are of each length, 1 to 16. */
  readonly counts: Uint8Array
  readonly symbols: Uint8Array
  /** DC codes cover one coefficient; AC codes say how many. */
  readonly isDc: boolean
}

/**
 * Built when a scan first needs it: that takes thousands of steps, and a segment can hold thousands of definitions.
 * @returns null where more codes are listed than exist, or a value is longer than any can be
 */
export function codeTable(definition: Definition): (() => CodeTable) | null {
  if (!isPossible(definition)) return null
  let built: CodeTable | null = null
  return () => (built ??= build(definition))
}

function isPossible({ counts, symbols, isDc }: Definition): boolean {
  let code = 0
  for (let length = 1; length <= LONGEST_CODE; length++) {
    code += counts[length - 1] ?? 0
    if (code > 1 << length) return false
    code <<= 1
  }
  return !isDc || symbols.every((symbol) => symbol <= MAX_VALUE_BITS)
}

function build({ counts, symbols, isDc }: Definition): CodeTable {
  const table: CodeTable = {
    first: new Uint16Array(1 << AHEAD_BITS),
    several: new Uint16Array(1 << AHEAD_BITS),
    firstCode: new Int32Array(LONGEST_CODE + 1),
    codes: new Int32Array(LONGEST_CODE + 1),
    firstIndex: new Int32Array(LONGEST_CODE + 1),
    entries: new Uint16Array(symbols.length),
  }
  const codeBits = new Uint8Array(1 << AHEAD_BITS)
  let code = 0
  let index = 0
  for (let length = 1; length <= LONGEST_CODE; length++) {
    const count = counts[length - 1] ?? 0
    table.firstCode[length] = code
    table.codes[length] = count
    table.firstIndex[length] = index
    for (let last = index + count; index < last; index++, code++) {
      const symbol = symbols[index] ?? 0
      const made = isDc ? entry(length + symbol, 1) : acEntry(symbol, length)
      table.entries[index] = made
      const spare = AHEAD_BITS - length
      if (spare < 0) continue
      table.first.fill(made, code << spare, (code + 1) << spare)
      codeBits.fill(length, code << spare, (code + 1) << spare)
    }
    code <<= 1
  }
  if (!isDc) gather(table, codeBits)
  return table
}

function acEntry(symbol: number, length: number): number {
  const following = symbol & 0x0f
  const run = symbol >> 4
  return entry(length + following, following > 0 || run === 15 ? run + 1 : END_OF_BLOCK)
}

/** Most codes are short: two or three of them stand in the bits that are read at once. */
function gather({ first, several }: CodeTable, codeBits: Uint8Array): void {
  for (let ahead = 0; ahead <= AHEAD_MASK; ahead++) {
    let bits = 0
    let covered = 0
    while (bits < AHEAD_BITS && covered <= HALF_BLOCK) {
      const next = (ahead << bits) & AHEAD_MASK
      const found = first[next] ?? 0
      if (found === 0 || bits + (codeBits[next] ?? 0) > AHEAD_BITS) break
      bits += bitsOf(found)
      covered += coveredOf(found)
    }
    several[ahead] = entry(bits, covered)
  }
}

/** The entry of a code by the next sixteen bits; 0 where there is none. */
export function longCode(table: CodeTable, bits: number): number {
  for (let length = AHEAD_BITS + 1; length <= LONGEST_CODE; length++) {
    const offset = (bits >>> (LONGEST_CODE - length)) - (table.firstCode[length] ?? 0)
    if (offset >= 0 && offset < (table.codes[length] ?? 0)) return table.entries[(table.firstIndex[length] ?? 0) + offset] ?? 0
  }
  return 0
}
