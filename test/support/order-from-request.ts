import { createHash } from 'node:crypto'
import sharp from 'sharp'
import { requestSchema, type GenerationRequest, type JsonObject, type Offer, type Order, type Provider } from '#contract'
import type { Reference, Route } from '../../src/core/records.ts'
import { orderFor, referenceForm, tasksOf } from '../../src/core/plan/order.ts'
import { plan } from '../../src/core/plan/plan.ts'
import { offersOf } from './installed-providers.ts'
import { TASK_ID } from './legal-orders.ts'

/** A request as one offer would get it: the paid tasks it becomes, or why the offer refuses it. */
export type Planned =
  | { readonly kind: 'orders'; readonly route: Route; readonly orders: readonly Order[] }
  | { readonly kind: 'refused'; readonly reasons: readonly string[] }

/** The body of POST /v1/generations, checked as the route checks it. @throws ZodError */
export const parseRequest = (body: unknown, providers: readonly Provider[]): GenerationRequest =>
  requestSchema(Object.fromEntries(providers.map(({ id, adapter }) => [id, adapter.options]))).parse(body) as GenerationRequest

export function offerOf(provider: Provider, model: string): Offer {
  const offer = offersOf(provider).find((candidate) => candidate.model === model)
  if (offer === undefined) throw new Error(`${provider.id} does not sell ${model}`)
  return offer
}

/** What the gateway does with a request before it speaks to one vendor: plan, then an order for each paid task. */
export async function ordersFor(request: GenerationRequest, provider: Provider, offer: Offer): Promise<Planned> {
  const { reference_images = [], ...rest } = request
  const sources = reference_images.map((source) => {
    if (typeof source !== 'string') throw new Error('a stored image cannot be written into a file: give a data URI')
    return source
  })
  const references = await Promise.all(sources.map((source) => readReference(source)))
  const options = provider.adapter.options.parse(request.provider_options?.[provider.id] ?? {}) as JsonObject
  const decided = plan({
    request: rest,
    references,
    candidates: [{ offer, unavailable: null, latency: null, options }],
    rule: {},
    pinned: null,
    roll: 0,
  })
  if (decided.kind === 'refused') return { kind: 'refused', reasons: decided.considered.flatMap(({ reasons }) => reasons) }
  const [route] = decided.routes
  if (route === undefined) throw new Error('the plan has no route and does not say why')
  const orders = tasksOf(route, offer.limits).map((task) =>
    orderFor({
      route,
      limits: offer.limits,
      prompt: request.prompt,
      attempt: { ...task, taskId: taskIdAt(task.task) },
      references: references.map((reference, index) => inForm(sources[index] ?? '', reference, offer)),
    }),
  )
  return { kind: 'orders', route, orders }
}

/** `…0001` for the first paid task of a request, `…0002` for the next. */
const taskIdAt = (index: number): string => TASK_ID.slice(0, -12) + String(index + 1).padStart(12, '0')

const DATA_URI = /^data:image\/(png|jpeg|webp);base64,(.*)$/

async function readReference(source: string): Promise<Reference> {
  const [, format, payload] = DATA_URI.exec(source) ?? []
  if (format === undefined || payload === undefined) return { kind: 'url', url: source, pixels: null }
  const bytes = Buffer.from(payload, 'base64')
  const { width, height } = await sharp(bytes).metadata()
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  return { kind: 'stored', sha256, format: format as 'png' | 'jpeg' | 'webp', pixels: { width, height } }
}

function inForm(source: string, reference: Reference, offer: Offer): string {
  switch (referenceForm(reference, offer.limits.reference_images.forms)) {
    case 'url':
    case 'data_uri':
      return source
    case 'base64':
      return DATA_URI.exec(source)?.[2] ?? source
  }
}
