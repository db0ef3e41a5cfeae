/** The words that are not used, each with what to write instead. Issue and SPEC name the words that are. */
interface BannedWord {
  readonly pattern: RegExp
  readonly instead: string
}

const word = (forms: string, instead: string): BannedWord => ({ pattern: new RegExp(`(?<![a-z])(?:${forms})(?![a-z])`, 'gi'), instead })

export const BANNED_WORDS: Readonly<Record<string, BannedWord>> = {
  picture: word('pictures?|pictured', 'image'),
  seller: word('sellers?', 'provider, or vendor'),
  look: word('looks?|looked|looking', 'poll, read, check'),
  tell: word('tells?|told|telling|tellings', 'send, report, say; callback'),
  hint: word('hints?|hinted', 'callback'),
  door: word('doors?', 'compatible API'),
  place: word('places?', 'slot'),
  courier: word('couriers?', 'webhook'),
  parcel: word('parcels?', 'webhook'),
  pipe: word('pipes?', 'intake'),
  market: word('markets?', 'offers'),
  knock: word('knocks?|knocked|knocking', 'probe'),
  halt: word('halts?|halted|halting', 'stop'),
  'hand on': word('hand(?:s|ed|ing)?[ \\n]+on', 'pass, send'),
  house: word('houses?', 'project, folder'),
  room: word('rooms?', 'folder; space'),
}

/** Uses that are none of those words: folders, functions of Node, fixed names of the API, and other meanings. */
const ALLOWED: readonly RegExp[] = [
  /test\/house/g, // this folder
  /house-style/g, // the alias of the documentation
  /\b(?:decimal|in|of|takes?|took|taking|first|second|third) places?\b/gi, // digits; "in place", "takes place", "in the first place"
  /\b(?:readOnly|destructive|idempotent|openWorld)Hint\b/g, // names of the MCP specification
  /\.pipe\(|'pipe'/g, // a stream, and a child process's
]

const asWords = (text: string): string => text.replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2').replaceAll('_', ' ')

/** How often each banned word stands in a text, parts of names in camel case included; words at 0 are left out. */
export function countWords(text: string): Readonly<Record<string, number>> {
  const cleaned = asWords(ALLOWED.reduce((left, use) => left.replaceAll(use, ' '), text))
  const counts = Object.entries(BANNED_WORDS).map(([name, { pattern }]) => [name, [...cleaned.matchAll(pattern)].length] as const)
  return Object.fromEntries(counts.filter(([, count]) => count > 0))
}

export const hasBannedWord = (text: string): boolean => Object.keys(countWords(text)).length > 0
