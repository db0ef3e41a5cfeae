import { useState } from 'preact/hooks'
import type { Model, Quote, QuotedOffer } from '../../client/index.ts'
import { duration, pixels } from '../format/facts.ts'
import { Fidelity } from '../parts/fidelity.tsx'
import { Icon } from '../parts/icon.tsx'
import { decimalsOfAll, NoPrice, Usd } from '../parts/usd.tsx'
import type { Draft } from './draft.ts'
import type { Wrong } from './form-field.tsx'
import { adaptedText, priceSentences, refusedText } from './price-sentence.ts'
import { pathOfOptions, ProviderOptions } from './provider-options.tsx'
import { againstCheapest, isChecked } from './use-quotes.ts'

interface QuotesProps {
  readonly quote: Quote | undefined
  /** Whose rows stand there, without figures, while the request has no quote. */
  readonly before: Quote | undefined
  readonly wrong: Wrong
  readonly model: Model | undefined
  readonly draft: Draft
  readonly isBusy: boolean
  readonly titles: (id: string) => string
  readonly change: (part: Partial<Draft>) => void
}

/** A usual time is said from here on; fewer measurements say little. */
const LEAST_SAMPLES = 5
const ROWS_BEFORE_THE_FIRST = 3

export function Quotes({ quote, before, model, draft, isBusy, wrong, titles, change }: QuotesProps) {
  const shown = quote ?? before
  return (
    <table class={`quotes${quote === undefined ? ' without-figures' : ''}`} aria-label="Quotes" aria-busy={isBusy}>
      <thead>
        <tr>
          <th scope="col">
            <span class="hidden">Asked</span>
          </th>
          <th scope="col">Provider</th>
          <th scope="col">Image you get</th>
          <th scope="col" class="num">
            Price
          </th>
          <th scope="col" class="num">
            To cheapest
          </th>
          <th scope="col" class="num time">
            Usual time
          </th>
          <th scope="col" class="how">
            How the price is made
          </th>
          <th scope="col">
            <span class="hidden">Options</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {shown === undefined
          ? Array.from({ length: ROWS_BEFORE_THE_FIRST }, (_, row) => (
              <tr key={row} class="waiting">
                <td colSpan={8} />
              </tr>
            ))
          : shown.offers.map((offer) => (
              <QuoteRow
                key={offer.provider}
                offer={offer}
                quote={shown}
                model={model}
                draft={draft}
                wrong={wrong}
                title={titles(offer.provider)}
                change={change}
              />
            ))}
      </tbody>
    </table>
  )
}

interface RowProps {
  readonly offer: QuotedOffer
  readonly quote: Quote
  readonly model: Model | undefined
  readonly draft: Draft
  readonly wrong: Wrong
  readonly title: string
  readonly change: (part: Partial<Draft>) => void
}

function QuoteRow({ offer, quote, model, draft, wrong, title, change }: RowProps) {
  const { provider, eligible } = offer
  const [isOpened, setIsOpened] = useState(false)
  const isOpen = isOpened || Object.keys(wrong).some((path) => path.startsWith(`${pathOfOptions(provider)}.`))
  const known = model?.offers.find((one) => one.provider === provider)
  const options = draft.options[provider] ?? {}
  const check = (on: boolean) => {
    const others = draft.unchecked.filter((id) => id !== provider)
    change({ unchecked: on ? others : [...others, provider] })
  }
  return (
    <>
      <tr class={eligible ? undefined : 'refused'}>
        <td class="check">
          <label>
            <input
              type="checkbox"
              aria-label={title}
              checked={isChecked(offer, draft.unchecked)}
              disabled={!eligible}
              onChange={(event) => check(event.currentTarget.checked)}
            />
          </label>
        </td>
        <td class="who">
          <span class="medium">{title}</span>
          {Object.keys(options).length === 0 ? null : <span class="fine two"> {Object.keys(options).length} set</span>}
          <span class="mono three one-line" title={offer.provider_model}>
            {offer.provider_model}
          </span>
        </td>
        <Figures offer={offer} quote={quote} />
        <td class="how small two">
          <span>
            <How offer={offer} known={known} title={title} />
          </span>
        </td>
        <td class="more">
          <button type="button" class="tool" aria-label={`Options, ${title}`} aria-expanded={isOpen} onClick={() => setIsOpened(!isOpen)}>
            <Icon name="down" />
          </button>
        </td>
      </tr>
      {isOpen ? (
        <tr class="options">
          <td colSpan={8}>
            <ProviderOptions
              provider={provider}
              title={title}
              schema={known?.options}
              options={options}
              wrong={wrong}
              onOptions={(next) => change({ options: { ...draft.options, [provider]: next } })}
            />
          </td>
        </tr>
      ) : null}
    </>
  )
}

/** `1536 × 1024`; of an offer that publishes no pixels its shape and resolution, `3:2 · 1 MP`. */
const sizeOf = ({ width, height, aspect_ratio: ratio, tier }: NonNullable<QuotedOffer['applied']>): string =>
  width !== undefined && height !== undefined ? pixels(width, height) : [ratio, tier].filter((part) => part !== undefined).join(' · ')

/** The image, its price, the price beside the cheapest, the usual time. */
function Figures({ offer, quote }: Pick<RowProps, 'offer' | 'quote'>) {
  const { eligible, applied, fidelity, cost, latency_ms: latency } = offer
  const against = againstCheapest(offer, quote)
  const decimals = decimalsOfAll(quote.offers.map((one) => (one.eligible ? (one.cost?.amount ?? null) : null)))
  return (
    <>
      <td class="gets">
        <Fidelity of={eligible ? fidelity : null} />
        {applied === null || !eligible ? null : <span class="small two num">{sizeOf(applied)}</span>}
      </td>
      <td class="num price">{!eligible ? null : cost === null ? <NoPrice /> : <Usd amount={cost.amount} decimals={decimals} />}</td>
      <td class={`num small against ${against?.colour ?? ''}`}>
        <span>{against?.text}</span>
      </td>
      <td class="num two time small">
        <span>{latency !== null && latency.samples >= LEAST_SAMPLES ? duration(latency.p50) : null}</span>
      </td>
    </>
  )
}

interface HowProps {
  readonly offer: QuotedOffer
  readonly known: Model['offers'][number] | undefined
  readonly title: string
}

function How({ offer, known, title }: HowProps) {
  if (!offer.eligible)
    return (
      <>
        <b class="bad">Refused:</b> {refusedText(offer.reasons)}
      </>
    )
  const adapted = adaptedText(offer.warnings, known)
  return (
    <>
      {priceSentences(offer, known?.price, title).join(' ')}
      {adapted === '' ? null : (
        <>
          {' '}
          <b class="warn">Adapted:</b> {adapted}
        </>
      )}
    </>
  )
}
