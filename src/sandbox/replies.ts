import type { ServerProblem, WireReply, WireRequest } from './server.ts'

/** A story that refuses a submit before anything is bought. */
export type Refusal = 'rate-limited' | 'unauthorized' | 'no-credit' | 'unavailable' | 'crash'
/** Why a submit is refused: a story, a model nobody sells, or an id that is taken. */
export type RefusalTable<Answer> = Readonly<Record<Refusal | 'unknown-model' | 'taken', Answer>> & { readonly moderated?: Answer }
export type ServerReplies = Readonly<Record<ServerProblem | 'wrong-key', WireReply>>
export type ReplyTable = ServerReplies & RefusalTable<WireReply>
type ReplyKind = Exclude<keyof ReplyTable, 'moderated'>

const USUAL: Readonly<Record<ReplyKind, readonly [status: number, words: string]>> = {
  'wrong-key': [401, 'The API key is missing or invalid'],
  unauthorized: [401, 'The API key is missing or invalid'],
  'no-credit': [402, 'Insufficient credits'],
  'rate-limited': [429, 'Too many requests'],
  unavailable: [503, 'Service unavailable'],
  crash: [500, 'Internal server error'],
  crashed: [500, 'Internal server error'],
  'not-found': [404, 'Not Found'],
  'unknown-model': [404, 'Not Found'],
  taken: [409, 'A task with this id exists'],
  'bad-json': [400, 'The body is not valid JSON'],
  'too-large': [413, 'Request Entity Too Large'],
}

/** The usual statuses and words in the vendor's shape, but for the replies the vendor has its own. */
export function replyTable(shape: (status: number, words: string) => WireReply, own: Partial<ReplyTable> = {}): ReplyTable {
  const usual = (kind: ReplyKind): WireReply => {
    const [status, words] = USUAL[kind]
    return own[kind] ?? shape(status, words)
  }
  return {
    ...own,
    'wrong-key': usual('wrong-key'),
    unauthorized: usual('unauthorized'),
    'no-credit': usual('no-credit'),
    'rate-limited': usual('rate-limited'),
    unavailable: usual('unavailable'),
    crash: usual('crash'),
    crashed: usual('crashed'),
    'not-found': usual('not-found'),
    'unknown-model': usual('unknown-model'),
    taken: usual('taken'),
    'bad-json': usual('bad-json'),
    'too-large': usual('too-large'),
  }
}

/** A reply of JSON. */
export const json = (status: number, body: unknown): WireReply => ({ status, body })

/** The key of `Authorization: Bearer …`. */
export const bearer = ({ headers }: WireRequest): string | undefined => headers['authorization']?.replace(/^Bearer /, '')

/** The key in a header of its own. */
export const headerKey =
  (name: string) =>
  ({ headers }: WireRequest): string | undefined =>
    headers[name]
