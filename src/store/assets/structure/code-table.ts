/** One code table of a JPEG, ready to be read many bits at a time. */
export interface CodeTable {
  /** By the next bits: the first code with its value, as an entry; 0 where it is longer than these bits or does not exist. */
  readonly first: Int32Array
  /** As many whole codes as fit, values included. All but the last cover at most `HALF_BLOCK` coefficients together. */
  readonly several: Int32Array
  /** Per code length: the first code, the number of codes, and the index of the first one's entry. */
  readonly firstCode: Int32Array
  readonly codes: Int32Array
  readonly firstIndex: Int32Array
  readonly entries: Int32Array
}

export const AHEAD_BITS = 12
export const AHEAD_MASK = (1 << AHEAD_BITS) - 1
/** From within the first half of a block, codes that cover so many more are its own. */
export const HALF_BLOCK = 31
/** Covered by the code that ends a block: more than any other can cover. */
export const END_OF_BLOCK = 128
export const LONGEST_CODE = 16
const MAX_VALUE_BITS = 16

// An entry holds how many bits a code has (or several, with their values), how many bits of its value follow, and what it covers.
const entry = (bits: number, following: number, covered: number): number => bits | (following << 8) | (covered << 16)
export const bitsOf = (of: number): number => of & 0xff
export const followingOf = (of: number): number => (of >> 8) & 0xff
export const coveredOf = (of: number): number => of >> 16

/**
 * @param counts how many codes there are of each length, 1 to 16
 * @param isDc DC codes cover one coefficient; AC codes say how many
 * @returns null where more codes are listed than exist, or a value is longer than any can be
 */
export function codeTable(counts: Uint8Array, symbols: Uint8Array, isDc: boolean): CodeTable | null {
  const table: CodeTable = {
    first: new Int32Array(1 << AHEAD_BITS),
    several: new Int32Array(1 << AHEAD_BITS),
    firstCode: new Int32Array(LONGEST_CODE + 1),
    codes: new Int32Array(LONGEST_CODE + 1),
    firstIndex: new Int32Array(LONGEST_CODE + 1),
    entries: new Int32Array(symbols.length),
  }
  let code = 0
  let index = 0
  for (let length = 1; length <= LONGEST_CODE; length++) {
    const count = counts[length - 1] ?? 0
    if (code + count > 1 << length) return null
    table.firstCode[length] = code
    table.codes[length] = count
    table.firstIndex[length] = index
    for (let last = index + count; index < last; index++, code++) {
      const symbol = symbols[index] ?? 0
      if (isDc && symbol > MAX_VALUE_BITS) return null
      const made = isDc ? entry(length, symbol, 1) : acEntry(symbol, length)
      table.entries[index] = made
      const spare = AHEAD_BITS - length
      if (spare >= 0) table.first.fill(made, code << spare, (code + 1) << spare)
    }
    code <<= 1
  }
  if (!isDc) gather(table)
  return table
}

function acEntry(symbol: number, length: number): number {
  const following = symbol & 0x0f
  const run = symbol >> 4
  return entry(length, following, following > 0 || run === 15 ? run + 1 : END_OF_BLOCK)
}

/** Most codes are short: two or three of them, values included, stand in the bits that are read at once. */
function gather({ first, several }: CodeTable): void {
  for (let ahead = 0; ahead <= AHEAD_MASK; ahead++) {
    let bits = 0
    let covered = 0
    for (;;) {
      const next = first[(ahead << bits) & AHEAD_MASK] ?? 0
      const together = bits + bitsOf(next) + followingOf(next)
      if (next === 0 || together > AHEAD_BITS || covered > HALF_BLOCK) break
      bits = together
      covered += coveredOf(next)
      if (covered >= END_OF_BLOCK || bits === AHEAD_BITS) break
    }
    several[ahead] = entry(bits, 0, covered)
  }
}

/** The entry of a code of more than twelve bits; 0 where there is none, or where its bits are not all there. */
export function longCode(table: CodeTable, bits: number, count: number): number {
  for (let length = AHEAD_BITS + 1; length <= Math.min(LONGEST_CODE, count); length++) {
    const code = (bits >>> (count - length)) & ((1 << length) - 1)
    const offset = code - (table.firstCode[length] ?? 0)
    if (offset >= 0 && offset < (table.codes[length] ?? 0)) return table.entries[(table.firstIndex[length] ?? 0) + offset] ?? 0
  }
  return 0
}
