import type { Json, ReplyEvent } from '#contract'
import type { ReplyListener } from '../core/ports.ts'
import type { JsonBounds } from '../reading/bounded-json.ts'
import { EventReader, type ReadEvent } from '../reading/event-reader.ts'
import { release } from '../reading/held-bytes.ts'
import type { Redactor } from './redactor.ts'
import { parseBody, type ParsedBody } from './reply-body.ts'

/** The body of a reply that comes as events: each is shown to a listener when it is there, and those that he leaves are the body. */
export class StreamedReply {
  readonly #redactor: Redactor
  readonly #listener: ReplyListener | undefined
  readonly #reader: EventReader
  readonly #events: ReplyEvent[] = []
  readonly #standIns: string[] = []
  /** Events are parsed one after the other, in their order. */
  #parsed: Promise<void> = Promise.resolve()
  #hasEvents = false

  constructor(bounds: JsonBounds, redactor: Redactor, listener: ReplyListener | undefined) {
    this.#redactor = redactor
    this.#listener = listener
    this.#reader = new EventReader(bounds, (event) => {
      this.#hasEvents = true
      this.#parsed = this.#parsed.then(() => this.#take(event))
    })
  }

  get isWanted(): boolean {
    return this.#reader.refusal === null
  }

  /** Whether any came whole: it cannot be read anew. */
  get hasEvents(): boolean {
    return this.#hasEvents
  }

  write(chunk: Buffer): void {
    this.#reader.write(chunk)
  }

  async end(): Promise<ParsedBody> {
    this.#reader.end()
    await this.#parsed
    const { refusal } = this.#reader
    return { body: this.#events, isJson: true, standIns: this.#standIns, ...(refusal === null ? {} : { refusal }) }
  }

  /** What had come of it when it broke off. */
  async brokenOff(): Promise<{ readonly body: Json; readonly standIns: readonly string[] }> {
    this.#reader.abandon()
    await this.#parsed
    return { body: this.#events, standIns: this.#standIns }
  }

  /** A key that a vendor repeats in an event gets no further than here. */
  async #take({ name, data: { bytes, standIns } }: ReadEvent): Promise<void> {
    const { body } = parseBody(await this.#redactor.redact(bytes))
    const event: ReplyEvent = { event: this.#redactor.redactHeaders({ name })['name'] ?? '', data: body }
    if (this.#listener?.event(event) === true) standIns.forEach(release)
    else {
      this.#events.push(event)
      this.#standIns.push(...standIns)
    }
  }
}
