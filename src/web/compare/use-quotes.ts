import { keepPreviousData, useQuery } from '@tanstack/preact-query'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { GenerationRequest, Quote, QuotedOffer } from '../../client/index.ts'
import { compareUsd, percentAbove, sumUsd } from '../../contract/amounts.ts'
import { percentText, usdText } from '../format/usd.ts'
import { plural } from '../format/facts.ts'
import { announce } from '../shell/announce.tsx'
import { client, useTitles } from '../shell/gateway.ts'

const AFTER_LAST_KEY_MS = 250

function useSettled<Value>(value: Value, ms: number): Value {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(() => value), ms)
    return () => clearTimeout(timer)
  }, [value, ms])
  return settled
}

/** Prices of the request while it is typed: the earlier question is given up, and its answer stays until the next one is there. */
export function useQuotes(request: GenerationRequest) {
  const body = JSON.stringify(request)
  const settled = useSettled(body, AFTER_LAST_KEY_MS)
  const { data, error, isFetching, isPlaceholderData } = useQuery({
    queryKey: ['quote', settled],
    queryFn: ({ signal }) => client().quote(JSON.parse(settled) as GenerationRequest, { signal }),
    enabled: request.model !== '' && !settled.startsWith('{"model":""'),
    placeholderData: keepPreviousData,
    staleTime: 60_000,
  })
  useQuoteStatus(data)
  const last = useRef<LastQuote | null>(null)
  if (data !== undefined && !isPlaceholderData) last.current = { model: modelOf(settled), quote: data }
  const before = last.current?.model === request.model ? last.current.quote : undefined
  return { quote: data, before, error, isBusy: isFetching || settled !== body }
}

/** The newest quote that was given. Where a later request is refused, its rows stay, without their figures: what is wrong may stand in one of them. */
interface LastQuote {
  readonly model: string
  readonly quote: Quote
}

const modelOf = (body: string): string => (JSON.parse(body) as GenerationRequest).model

const STATUS_EVERY_MS = 2_000

/** Says the prices, at most once in two seconds. */
function useQuoteStatus(quote: Quote | undefined): void {
  const titles = useTitles()
  const text = useMemo(() => {
    if (quote === undefined) return ''
    const eligible = quote.offers.filter((offer) => offer.eligible)
    const cheapest = eligible.find(({ provider }) => provider === quote.cheapest)
    return `${plural(eligible.length, 'quote')}${cheapest?.cost ? `, cheapest ${titles(cheapest.provider)} ${usdText(cheapest.cost.amount)}` : ''}`
  }, [quote, titles])
  const calm = useSettled(text, STATUS_EVERY_MS)
  useEffect(() => {
    if (calm !== '') announce(calm)
  }, [calm])
}

export interface Total {
  readonly known: string
  readonly unpriced: number
  readonly checked: readonly QuotedOffer[]
}

/** Whether none of what is checked has a price; then there is no sum, not one of nothing. */
export const isAllUnpriced = ({ unpriced, checked }: Total): boolean => unpriced > 0 && unpriced === checked.length

export const isChecked = (offer: QuotedOffer, unchecked: readonly string[]): boolean =>
  offer.eligible && !unchecked.includes(offer.provider)

/** What all checked providers together would charge, and how many of them publish no price. */
export function totalOf(offers: readonly QuotedOffer[], unchecked: readonly string[]): Total {
  const checked = offers.filter((offer) => isChecked(offer, unchecked))
  const prices = checked.flatMap(({ cost }) => (cost === null ? [] : [cost.amount]))
  return { known: sumUsd(prices), unpriced: checked.length - prices.length, checked }
}

export interface Against {
  readonly text: string
  readonly colour: 'ok' | 'two' | 'warn'
}

/** The price beside the cheapest exact or near one: `cheapest`, `same`, `+58 %`, `not comparable`; null where it has no price. */
export function againstCheapest(offer: QuotedOffer, quote: Quote): Against | null {
  if (offer.cost === null || !offer.eligible) return null
  if (offer.fidelity === 'far') return { text: 'not comparable', colour: 'two' }
  if (offer.provider === quote.cheapest) return { text: 'cheapest', colour: 'ok' }
  const cheapest = quote.offers.find(({ provider }) => provider === quote.cheapest)?.cost
  if (!cheapest) return null
  if (compareUsd(offer.cost.amount, cheapest.amount) === 0) return { text: 'same', colour: 'two' }
  const percent = percentAbove(offer.cost.amount, cheapest.amount)
  return percent === null ? null : { text: percentText(percent), colour: 'two' }
}
