import type { Comparison, ComparisonRow, Generation } from '#contract'
import { ClientError, type Connection } from './connection.ts'

type ChangeType = 'queued' | 'running' | 'progress' | 'partial_image' | 'attempt_failed' | 'succeeded' | 'failed' | 'canceled'

/** An image on its way, which is no result: it is stored nowhere and never comes again. */
export interface PartialImage {
  /** The attempt's number, from 1. */
  readonly attempt: number
  /** From 0, as the vendor counts. */
  readonly index: number
  readonly format: 'jpeg' | 'png' | 'webp'
  readonly b64_json: string
}

/** One event of a generation's stream: a change on the way, or the end with the whole generation. */
export type GenerationEvent =
  | {
      readonly kind: 'change'
      readonly type: ChangeType
      readonly at: string
      readonly provider: string | null
      readonly progress: number | null
      /** Of a `partial_image`. */
      readonly partial_image?: PartialImage
    }
  | { readonly kind: 'end'; readonly generation: Generation }

/** One event of a comparison's stream. */
export type ComparisonEvent =
  | {
      readonly kind: 'change'
      /** The generation's. */
      readonly id: string
      readonly type: ChangeType
      readonly at: string
      readonly provider: string | null
      readonly progress: number | null
      /** Of a `partial_image`. */
      readonly partial_image?: PartialImage
      /** The whole of it, once it has ended. */
      readonly generation?: Generation
    }
  /** A provider's part has ended. */
  | { readonly kind: 'row'; readonly row: ComparisonRow }
  | { readonly kind: 'end'; readonly comparison: Comparison }

const RETRIES = 5

export interface StreamOptions {
  /** Ends the stream; nothing is thrown. */
  readonly signal?: AbortSignal | undefined
  /** The last event that came. Given again to a later stream, it goes on behind that event. */
  readonly position?: { lastId: string | null }
}

interface RawEvent {
  readonly id: string
  readonly event: string
  readonly data: string
}

/**
 * Follows a generation to its end. A stream that breaks off is taken up again after the last event that came (`Last-Event-ID`);
 * no event comes twice. @throws ClientError where the gateway refuses, or cannot be reached several times in a row
 */
export async function* followEvents(
  open: Connection['stream'],
  path: string,
  options: StreamOptions = {},
): AsyncGenerator<GenerationEvent, void, undefined> {
  for await (const { event, data } of follow(open, path, options)) {
    const read = JSON.parse(data) as Generation | Omit<Extract<GenerationEvent, { kind: 'change' }>, 'kind'>
    if ('object' in read) {
      yield { kind: 'end', generation: read }
      return
    }
    const { type, at, provider, progress, partial_image: partial } = read
    const change = { kind: 'change', type: type ?? (event as ChangeType), at, provider, progress } as const
    yield partial === undefined ? change : { ...change, partial_image: partial }
  }
}

/** As `followEvents`, a comparison with all its generations. */
export async function* followComparison(
  open: Connection['stream'],
  path: string,
  options: StreamOptions = {},
): AsyncGenerator<ComparisonEvent, void, undefined> {
  for await (const { event, data } of follow(open, path, options)) {
    switch (event) {
      case 'generation':
        yield { kind: 'change', ...(JSON.parse(data) as Omit<Extract<ComparisonEvent, { kind: 'change' }>, 'kind'>) }
        break
      case 'row':
        yield { kind: 'row', row: JSON.parse(data) as ComparisonRow }
        break
      case 'succeeded':
      case 'failed':
        yield { kind: 'end', comparison: JSON.parse(data) as Comparison }
        return
      // Of a later version.
      default:
    }
  }
}

/** Whoever reads it stops after the last event. */
async function* follow(
  open: Connection['stream'],
  path: string,
  { signal, position = { lastId: null } }: StreamOptions,
): AsyncGenerator<RawEvent, void, undefined> {
  for (let failures = 0; ;) {
    const { lastId } = position
    try {
      for await (const event of eventsOf(await open(path, lastId === null ? {} : { 'last-event-id': lastId }, signal))) {
        failures = 0
        position.lastId = event.id
        yield event
      }
    } catch (error) {
      if (signal?.aborted === true) return
      if (error instanceof ClientError && error.status !== null) throw error
      if (failures >= RETRIES) throw error
    }
    failures++
    if (failures > RETRIES) throw new ClientError('the event stream ends without an end again and again', null)
  }
}

/** Server-Sent Events as they arrive; comments are passed over. */
async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<RawEvent, void, undefined> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true })
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const block = text.slice(0, end)
      text = text.slice(end + 2)
      const field = (name: string) => new RegExp(`^${name}: ?(.*)$`, 'm').exec(block)?.[1]
      const data = field('data')
      if (data !== undefined) yield { id: field('id') ?? '', event: field('event') ?? 'message', data }
    }
  }
}
