import { useQuery } from '@tanstack/preact-query'
import { useState } from 'preact/hooks'
import type { Model, Quote, QuotedOffer } from '../../client/index.ts'
import { compareUsd } from '../../contract/amounts.ts'
import { duration } from '../format/facts.ts'
import { NoPrice, Usd } from '../parts/usd.tsx'
import { SHAPES } from '../compare/draft.ts'
import { refusedText } from '../compare/price-sentence.ts'
import { client } from '../shell/gateway.ts'

interface DryRunProps {
  readonly models: readonly Model[]
  readonly titles: (id: string) => string
}

const LEAST_SAMPLES = 5

/** Where a request would go now, in order, and why the others are passed over. Buys nothing. */
export function DryRun({ models, titles }: DryRunProps) {
  const [chosen, setChosen] = useState('')
  const [shapeName, setShapeName] = useState('3:2')
  const model = chosen || (models.find(({ id }) => id === 'flux-2-pro') ?? models[0])?.id || ''
  const shape = SHAPES.find(({ name }) => name === shapeName)
  const { data } = useQuery({
    queryKey: ['dry-run', model, shapeName],
    queryFn: () =>
      client().quote({ model, prompt: 'an image', ...(shape === undefined ? {} : { width: shape.width, height: shape.height }) }),
    enabled: model !== '',
    refetchInterval: 5_000,
  })
  return (
    <section class="dry-run">
      <h2 class="head">Where would it go now?</h2>
      <p class="small two">A dry run. Nothing is bought.</p>
      <div class="dry-fields">
        <label class="field">
          <span class="label">Model</span>
          <select class="control" value={model} onChange={(event) => setChosen(event.currentTarget.value)}>
            {models.map(({ id }) => (
              <option key={id} value={id}>
                {id}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          <span class="label">Shape</span>
          <select class="control" value={shapeName} onChange={(event) => setShapeName(event.currentTarget.value)}>
            {SHAPES.map(({ name, width, height }) => (
              <option key={name} value={name}>{`${name}, ${width} × ${height}`}</option>
            ))}
          </select>
        </label>
      </div>
      {data === undefined ? null : (
        <ol class="route" aria-label="Route">
          {data.route.map((provider, at) => (
            <Stop
              key={provider}
              mark={String(at + 1)}
              title={titles(provider)}
              offer={offerOf(data, provider)}
              reason={routeReason(data, at, titles)}
              isPassed={false}
            />
          ))}
          {data.considered.map(({ provider, reason }) => (
            <Stop key={provider} mark="–" title={titles(provider)} offer={offerOf(data, provider)} reason={passedText(reason)} isPassed />
          ))}
        </ol>
      )}
    </section>
  )
}

/** Why it is not asked now: `full: …` and `paused: …` are states of the provider; else the field that is refused stands in front. */
const passedText = (reason: string): string =>
  /^(?:full|paused|passed over): /.test(reason) ? reason.replace(' (max_in_flight)', '') : refusedText([reason])

const offerOf = (quote: Quote, provider: string): QuotedOffer | undefined => quote.offers.find((offer) => offer.provider === provider)

interface StopProps {
  readonly mark: string
  readonly title: string
  readonly offer: QuotedOffer | undefined
  readonly reason: string
  readonly isPassed: boolean
}

const Stop = ({ mark, title, offer, reason, isPassed }: StopProps) => (
  <li class={isPassed ? 'three' : undefined}>
    <span class="num medium">{mark}</span>
    <span>
      <span class="medium">{title}</span>
      <span class="small two">{reason.charAt(0).toUpperCase() + reason.slice(1)}</span>
    </span>
    <span class="num">
      {offer === undefined || !offer.eligible ? '' : offer.cost === null ? <NoPrice /> : <Usd amount={offer.cost.amount} />}
    </span>
  </li>
)

/** Why this provider stands here: its price beside the one in front, and its time where the price is the same. */
function routeReason(quote: Quote, at: number, titles: (id: string) => string): string {
  const offer = offerOf(quote, quote.route[at] ?? '')
  const before = offerOf(quote, quote.route[at - 1] ?? '')
  if (offer === undefined) return ''
  const word = offer.fidelity === 'far' ? 'Far from the size asked' : offer.fidelity === 'near' ? 'Near' : 'Exact'
  if (offer.cost === null) return `${word}. No price: last by price.`
  if (before === undefined)
    return offer.provider === quote.cheapest
      ? `Cheapest ${word.toLowerCase()} offer, ready.`
      : `${word} offer, first by the route of this model.`
  if (before.cost === null || compareUsd(before.cost.amount, offer.cost.amount) !== 0)
    return `${word}. Taken where ${titles(before.provider)} fails at no cost.`
  const [own, other] = [offer.latency_ms, before.latency_ms]
  if (own === null || other === null || own.samples < LEAST_SAMPLES || other.samples < LEAST_SAMPLES)
    return `Same price as ${titles(before.provider)}.`
  const by = duration(Math.abs(own.p50 - other.p50))
  if (by === duration(0)) return `Same price and time as ${titles(before.provider)}.`
  return `Same price, ${own.p50 > other.p50 ? 'slower' : 'faster'} by ${by}.`
}
