import { withoutSecrets } from '#adapter-kit'
import type { Call, Json, JsonObject, Reply } from '#contract'
import type { Instant } from '../instant.ts'
import type { Sent } from '../ports.ts'
import { shownText, type Shown, type ShownOptions } from './shown-text.ts'

/**
 * What an open attempt keeps of what was said to its vendor: the submit, each failure, and of the polls the last. Bodies are made fit to be
 * shown at the end, once; until then small ones are kept as they are, which costs no more than not throwing them away.
 */
export interface KeptCalls {
  /** In order; the last one may be a poll that the next replaces. Made anew at each call: a list that grows reserves space for 16 more. */
  list: readonly KeptCall[]
  /** Whether this process has seen every call. */
  readonly isWhole: boolean
}

export interface KeptCall {
  readonly purpose: Exclude<Call['purpose'], 'account'>
  readonly method: Call['method']
  readonly url: string
  readonly body: Kept
  readonly sentAt: Instant
  readonly durationMs: number
  readonly outcome: 'replied' | 'not_sent' | 'lost' | 'refused'
  readonly reason: string | null
  /** `headers` are those that are shown, as they are shown. */
  readonly reply: { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: Kept } | null
  repeated: number
  /** No usable reply came, or one that says no. */
  isFailure: boolean
}

/** A small body is kept as it is. */
export type Kept = Json | ShownBody | undefined

/** A body that was too large for that, as it will be shown. */
export class ShownBody {
  readonly shown: Shown

  constructor(shown: Shown) {
    this.shown = shown
  }
}

/** A failure of a kind that came before counts there; of the others so many are kept, the newest in the last of them. */
const MOST_CALLS = 10
/** A body of up to so many characters is kept as it is. */
const SMALL_CHARS = 4_096
const SHOWN_HEADERS = ['content-type', 'retry-after', 'x-request-id', 'request-id', 'x-trace-id', 'cf-ray'] as const

/** One for all. */
const NONE: readonly never[] = []

export const noCalls = (isWhole: boolean): KeptCalls => ({ list: NONE, isWhole })

/** @param images those that the call may hold, so that their hashes are known */
export function keepCall(
  kept: KeptCalls,
  call: Call,
  sent: Sent,
  { sentAt, durationMs, images }: { readonly sentAt: Instant; readonly durationMs: number } & Pick<ShownOptions, 'images'>,
): void {
  if (call.purpose === 'account') return
  const { purpose, method, url } = call
  const { list } = kept
  const reply = sent.kind === 'reply' ? sent.reply : sent.kind === 'lost' ? sent.begun : undefined
  const last = list.at(-1)
  const entry: KeptCall = {
    purpose,
    method,
    url,
    body: keptBody(call.form === undefined ? call.body : partsOf(call.form), images),
    sentAt,
    durationMs,
    outcome: OUTCOMES[sent.kind],
    reason: sent.kind === 'reply' ? null : sent.reason,
    reply: reply === undefined ? null : keptReply(reply),
    repeated: 1,
    isFailure: sent.kind !== 'reply',
  }
  const isReplaced = last && last.purpose !== 'submit' && (!last.isFailure || list.length >= MOST_CALLS)
  kept.list = (isReplaced ? list.slice(0, -1) : list).concat(entry)
}

/** What its reply meant: said of the newest call, which is one with the failure before it where they are alike. */
export function judgeCall(kept: KeptCalls, isFailure: boolean): void {
  const { list } = kept
  const last = list.at(-1)
  if (!last) return
  last.isFailure ||= isFailure
  const before = list.at(-2)
  if (!last.isFailure || before?.isFailure !== true || !isAlike(before, last)) return
  last.repeated = before.repeated + 1
  kept.list = list.toSpliced(-2, 1)
}

const OUTCOMES = { reply: 'replied', unsent: 'not_sent', lost: 'lost', refused: 'refused' } as const satisfies Record<
  Sent['kind'],
  KeptCall['outcome']
>

const isAlike = (one: KeptCall, other: KeptCall): boolean =>
  one.purpose === other.purpose && one.outcome === other.outcome && one.reason === other.reason && one.reply?.status === other.reply?.status

const keptReply = ({ status, headers, body }: Reply): KeptCall['reply'] => ({
  status,
  headers: shownHeaders(headers),
  body: keptBody(body),
})

let last: { readonly headers: Reply['headers']; readonly shown: Readonly<Record<string, string>> } = { headers: {}, shown: {} }

/** Many replies have none but the same type: they share one object. */
function shownHeaders(headers: Reply['headers']): Readonly<Record<string, string>> {
  if (SHOWN_HEADERS.every((name) => headers[name] === last.headers[name])) return last.shown
  const kept: Record<string, string> = {}
  const shown: Record<string, string> = {}
  for (const name of SHOWN_HEADERS) {
    const value = headers[name]
    if (value === undefined) continue
    kept[name] = value
    shown[name] = withoutSecrets(value)
  }
  last = { headers: kept, shown }
  return shown
}

/** Names of a form repeat, so each part is an object of its own. */
const partsOf = (form: NonNullable<Call['form']>): Json => form.map((part) => ({ [part.name]: 'value' in part ? part.value : part.base64 }))

function keptBody(body: Json | undefined, images?: ShownOptions['images']): Kept {
  return charsOf(body, SMALL_CHARS) <= SMALL_CHARS ? body : new ShownBody(shownText(body, images === undefined ? {} : { images }))
}

/** About as many as its JSON has; no more than about `most` are counted. */
function charsOf(value: Json | undefined, most: number): number {
  if (typeof value === 'string') return value.length + 3
  if (typeof value !== 'object' || value === null) return 8
  let chars = 2
  if (Array.isArray(value)) {
    for (const one of value as readonly Json[]) {
      chars += 1 + charsOf(one, most - chars)
      if (chars > most) return chars
    }
    return chars
  }
  const fields = value as JsonObject
  for (const name in fields) {
    chars += name.length + 4 + charsOf(fields[name], most - chars)
    if (chars > most) return chars
  }
  return chars
}
