import { compareUsd, type Call, type Offer, type Provider, type Usd } from '#contract'
import { assess } from '../plan/assess.ts'
import { translateOrder } from '../plan/order.ts'
import type { CheckedPrice } from './check-prices.ts'

export interface SampleOrder {
  /** As it would be bought; it is never sent. */
  readonly submit: Call
  readonly quoted: Usd | null
}

const PROMPT = 'an example'
const TASK = { taskId: '00000000-0000-4000-8000-000000000001', images: 1, seed: null }

/** One square image of about a megapixel, as the offer would be asked for it, and our quote of it; null where the offer cannot do that. */
export function sampleOrder(provider: Pick<Provider, 'adapter' | 'manifest'>, offer: Offer): SampleOrder | null {
  const [assessment] = assess({
    request: { model: offer.model, prompt: PROMPT, aspect_ratio: '1:1', megapixels: 1 },
    references: [],
    candidates: [{ offer, unavailable: null, latency: null, options: {} }],
    rule: {},
    pinned: null,
    roll: 0,
  })
  if (!assessment?.route) return null
  const order = translateOrder(provider, { route: assessment.route, prompt: PROMPT, attempt: TASK, references: [] })
  return order && { submit: order.call, quoted: assessment.price?.amount ?? null }
}

const LINE = 'one image of a megapixel'

/** What the vendor says that the sample would cost, beside our quote of it. */
export function judgeSample(
  { provider, model, providerModel, price }: Offer,
  { quoted }: SampleOrder,
  asked: { readonly published: Usd } | { readonly reason: string },
): CheckedPrice {
  const about = { provider, model, provider_model: providerModel, as_of: price?.as_of ?? null }
  if ('reason' in asked) return { ...about, verdict: 'not_read', detail: asked.reason, findings: [] }
  const { published } = asked
  const isEqual = quoted !== null && compareUsd(quoted, published) === 0
  const verdict = quoted === null ? 'unpriced_here' : isEqual ? 'agrees' : 'drift'
  const here = quoted === null ? 'no price here' : isEqual ? 'as here' : `${quoted} here`
  const detail = `${LINE}: ${published}${isEqual ? '' : ' there'}, ${here}`
  return { ...about, verdict, detail, findings: [{ verdict, line: LINE, published, ours: quoted === null ? [] : [quoted] }] }
}
