import { z } from 'zod'
import { eventsOf, type Call, type FormPart, type Json, type JsonObject, type Order } from '#contract'
import type { PartialImage, Reply, ReplyEvent, Warning } from '#contract'

/** Images on their way: 1 to 3 of them, or 0 for none. They come in the event stream of the generation. */
export const PartialImages = z
  .number()
  .int()
  .min(0)
  .max(3)
  .optional()
  .meta({ description: 'How many images on their way to show in the event stream; the vendor may count further tokens for them.' })

/** Of a purchase of several images it is nowhere said how they would come in one stream. */
export const mayStream = ({ count }: Pick<Order, 'count'>): boolean => count === 1

/** Said where images on their way were asked for and none will come. */
export function withoutPartials(id: string, { count, options: { partial_images: asked = 0 } }: Partials): readonly Warning[] {
  if (asked === 0 || mayStream({ count })) return []
  const reason = 'Images on their way are shown of a purchase of one image.'
  return [{ code: 'ignored_option', field: `provider_options.${id}.partial_images`, requested: asked, used: null, reason }]
}

type Partials = Order<{ readonly partial_images?: number | undefined }>

/** The same call with its reply asked for as events. */
export function asStream(call: Call, partialImages: number | undefined): Call {
  const fields: JsonObject = { stream: true, ...(partialImages === undefined ? {} : { partial_images: partialImages }) }
  const stream = 'server-sent-events' as const
  if (call.form === undefined) return { ...call, stream, body: { ...(call.body as JsonObject), ...fields } }
  const isText = (part: FormPart): boolean => 'value' in part
  const texts = Object.entries(fields).map(([name, value]): FormPart => ({ name, value: JSON.stringify(value) }))
  return { ...call, stream, form: [...call.form.filter(isText), ...texts, ...call.form.filter((part) => !isText(part))] }
}

const Data = z.looseObject({ type: z.string().optional().catch(undefined), error: z.unknown().optional() })
const Partial = z.looseObject({ b64_json: z.string().min(1), partial_image_index: z.number().int().nonnegative().catch(0) })

/** What an event is: its `type`, or its name where it has none. */
const kindOf = ({ event, data }: ReplyEvent): string => Data.safeParse(data).data?.type ?? event

/** The image that a `….partial_image` event brings. */
export function partialOf(event: ReplyEvent): PartialImage | null {
  if (!kindOf(event).endsWith('.partial_image')) return null
  const partial = Partial.safeParse(event.data).data
  return partial === undefined ? null : { index: partial.partial_image_index, data: partial.b64_json }
}

export type StreamEnd =
  /** What the same reply would be in one piece. */
  { readonly kind: 'reply'; readonly reply: Reply } | { readonly kind: 'error'; readonly reply: Reply } | { readonly kind: 'nothing' }

/** How a streamed reply ended; null where it came in one piece. An image that has come counts, whatever came after it. */
export function endOf(reply: Reply): StreamEnd | null {
  const events = eventsOf(reply)
  if (events === null) return null
  const completed = events.filter((event) => kindOf(event).endsWith('.completed')).map(({ data }) => data)
  if (completed.length > 0) return { kind: 'reply', reply: { ...reply, body: asOne(completed) } }
  const error = events.find((event) => isError(event) || (Data.safeParse(event.data).data?.error ?? null) !== null)
  return error === undefined ? { kind: 'nothing' } : { kind: 'error', reply: { ...reply, body: errorIn(error.data) } }
}

/** The `type` of an error without a wrapper is the error's own. */
const isError = (event: ReplyEvent): boolean => event.event === 'error' || kindOf(event) === 'error'

/** An error event has its fields in `error`, or is one itself. */
const errorIn = (data: Json): Json => ((Data.safeParse(data).data?.error ?? null) === null ? { error: data } : data)

const Completed = z.looseObject({ b64_json: z.string().optional().catch(undefined), created_at: z.unknown().optional() })

/** What two ends say differently, such as the tokens that were used, is known of neither. */
function asOne(events: readonly Json[]): Json {
  const [first = {}, ...others] = events.map((data) => (Completed.safeParse(data).data ?? {}) as JsonObject)
  const { created_at: created, type: _, b64_json: __, ...said } = first
  const agreed = Object.entries(said).filter(([name, value]) =>
    others.every((other) => JSON.stringify(other[name]) === JSON.stringify(value)),
  )
  return { ...Object.fromEntries(agreed), ...(created === undefined ? {} : { created }), data: [...events] }
}
