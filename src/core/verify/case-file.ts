import type { Adapter, Call, Json, JsonObject, Outcome } from '#contract'
import { sha256Of } from '../../reading/held-bytes.ts'
import type { Exchange } from './recorder.ts'

/** As `providers/<id>/cases/<story>.json` is. */
export interface CaseFile {
  readonly request: Json
  readonly steps: readonly {
    readonly call: Call
    readonly reply: { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: Json }
  }[]
  readonly outcome: Outcome
}

/** The id that the exam gives the first task of a request. */
const EXAM_TASK = '00000000-0000-4000-8000-000000000001'
/** A PNG of one pixel. */
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const KEPT_HEADERS = /^retry-after$|units|cost|billable/
/** Parameters of a link that open it. */
const SIGNATURES = /([?&](?:sig|signature|x-amz-signature|x-amz-credential|x-amz-security-token|token|key)=)[^&#\s"]+/gi
/** What stands for an image that is held has 128 characters, and begins as the image does. */
const LEAST_IMAGE_CHARS = 100

/**
 * A story as it can be committed: without keys, signatures of links and the bytes of images, our own id as the exam has it, and the outcome that
 * the adapter makes of exactly these replies. Null where a call had no reply, or the adapter expects more.
 * @param taskId ours, as it stands in the calls
 */
export function caseOf(request: JsonObject, exchanges: readonly Exchange[], adapter: Adapter, taskId: string | null): CaseFile | null {
  const steps: CaseFile['steps'][number][] = []
  let outcome: Outcome | null = null
  for (const { call, sent } of exchanges) {
    if (sent.kind !== 'reply') return null
    const { status, headers, body } = sent.reply
    const kept = Object.fromEntries(Object.entries(headers).filter(([name]) => KEPT_HEADERS.test(name)))
    // What follows from the replies as they are written, which is what the exam expects.
    const written =
      outcome?.kind === 'pending' ? outcome.next : outcome === null ? (scrubbed(call, taskId) as unknown as Call) : steps.at(-1)?.call
    if (written === undefined) return null
    const reply = { status, headers: kept, body: scrubbed(body, taskId) }
    steps.push({ call: written, reply })
    outcome = adapter.interpret(reply, written)
  }
  return outcome === null || outcome.kind === 'pending' ? null : { request, steps, outcome }
}

function scrubbed(value: unknown, taskId: string | null): Json {
  if (typeof value === 'string') return scrubbedString(value, taskId)
  if (typeof value !== 'object' || value === null) return value as Json
  if (Array.isArray(value)) return value.map((part) => scrubbed(part, taskId))
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, scrubbed(part, taskId)]))
}

function scrubbedString(text: string, taskId: string | null): string {
  if (sha256Of(text) !== null || isImage(text)) return text.startsWith('data:') ? `data:image/png;base64,${PIXEL}` : PIXEL
  const ours = taskId === null ? text : text.replaceAll(taskId, EXAM_TASK)
  return ours.replaceAll(SIGNATURES, '$1c2lnbmF0dXJl')
}

const isImage = (text: string): boolean =>
  text.length > LEAST_IMAGE_CHARS && /^(data:image\/[a-z]+;base64,|iVBORw0KGgo|\/9j\/|UklGR)/.test(text) && !/\s/.test(text)
