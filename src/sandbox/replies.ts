import type { ServerProblem, WireReply } from './server.ts'

/** A story that refuses a submit before anything is bought. */
export type Refusal = 'rate-limited' | 'unauthorized' | 'no-credit' | 'unavailable' | 'crash'
export type ReplyKind = Refusal | ServerProblem | 'wrong-key'
export type ReplyTable = Readonly<Record<ReplyKind, WireReply>>

const USUAL: Readonly<Record<ReplyKind, readonly [status: number, words: string]>> = {
  'wrong-key': [401, 'The API key is missing or invalid'],
  unauthorized: [401, 'The API key is missing or invalid'],
  'no-credit': [402, 'Insufficient credits'],
  'rate-limited': [429, 'Too many requests'],
  unavailable: [503, 'Service unavailable'],
  crash: [500, 'Internal server error'],
  crashed: [500, 'Internal server error'],
  'not-found': [404, 'Not Found'],
  'bad-json': [400, 'The body is not valid JSON'],
  'too-large': [413, 'Request Entity Too Large'],
}

/** The usual statuses and words in the vendor's shape, but for the replies the vendor has its own. 429 always says `Retry-After: 1`. */
export function replyTable(shape: (status: number, words: string) => WireReply, own: Partial<ReplyTable> = {}): ReplyTable {
  const usual = (kind: ReplyKind): WireReply => {
    const [status, words] = USUAL[kind]
    const reply = own[kind] ?? shape(status, words)
    return reply.status === 429 ? { ...reply, headers: { 'retry-after': '1' } } : reply
  }
  return {
    'wrong-key': usual('wrong-key'),
    unauthorized: usual('unauthorized'),
    'no-credit': usual('no-credit'),
    'rate-limited': usual('rate-limited'),
    unavailable: usual('unavailable'),
    crash: usual('crash'),
    crashed: usual('crashed'),
    'not-found': usual('not-found'),
    'bad-json': usual('bad-json'),
    'too-large': usual('too-large'),
  }
}
