import { useQuery } from '@tanstack/preact-query'
import { useState } from 'preact/hooks'
import type { PriceEntry } from '../../client/index.ts'
import { ruleText } from '../compare/price-sentence.ts'
import { plural } from '../format/facts.ts'
import { NoPrice } from '../parts/usd.tsx'
import { client } from '../shell/gateway.ts'
import { useIsPhone } from '../shell/media.ts'

const DAY_MS = 86_400_000
const OLD_FROM_DAYS = 60

export const usePrices = (): readonly PriceEntry[] | undefined =>
  useQuery({ queryKey: ['prices'], queryFn: () => client().prices(), staleTime: 60_000 }).data

/** The providers without a price for anything they sell. */
export function unquotedOf(prices: readonly PriceEntry[]): ReadonlySet<string> {
  const priced = new Set(prices.filter(({ price }) => price !== null).map(({ provider }) => provider))
  return new Set(prices.map(({ provider }) => provider).filter((provider) => !priced.has(provider)))
}

/** What quotes are made of: each rule, how old it is, and where it was read. On a phone those of one provider at a time. */
export function Prices({ name }: { readonly name: (id: string) => string }) {
  const data = usePrices()
  const isPhone = useIsPhone()
  const [chosen, setChosen] = useState<string | null>(null)
  const providers = [...new Set(data?.map(({ provider }) => provider))].toSorted((one, other) => name(one).localeCompare(name(other)))
  const of = chosen ?? (isPhone ? providers[0] : '')
  const shown = data?.filter(({ provider }) => of === '' || provider === of)
  return (
    <section class="card">
      <div class="table-head prices-head">
        <div>
          <h2 class="head">Prices</h2>
          <p class="small two">What quotes are made of. Each has a date and a page to check it against.</p>
        </div>
        <select class="control" aria-label="Prices of" value={of} onChange={(event) => setChosen(event.currentTarget.value)}>
          <option value="">All providers</option>
          {providers.map((provider) => (
            <option key={provider} value={provider}>
              {name(provider)}
            </option>
          ))}
        </select>
      </div>
      <div class="scrolls" tabIndex={0} role="region" aria-label="Prices in full">
        <table class="plain-table prices" aria-label="Prices" aria-busy={data === undefined}>
          <thead>
            <tr>
              <th scope="col">Model</th>
              <th scope="col">Provider</th>
              <th scope="col">Price</th>
              <th scope="col" class="num">
                Age
              </th>
              <th scope="col">Source</th>
            </tr>
          </thead>
          <tbody>
            {shown?.map((entry) => (
              <PriceRow key={`${entry.model} ${entry.provider}`} entry={entry} title={name(entry.provider)} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}

const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).hostname : url)

function PriceRow({ entry, title }: { readonly entry: PriceEntry; readonly title: string }) {
  const { model, price, as_of: asOf, source_url: source } = entry
  const days = asOf === null ? null : Math.max(0, Math.floor((Date.now() - Date.parse(asOf)) / DAY_MS))
  const isOwn = price?.source === 'configuration'
  return (
    <tr>
      <td class="medium">{model}</td>
      <td>{title}</td>
      <td class="two">{price === null ? <NoPrice /> : ruleText(price)}</td>
      <td class={`num ${!isOwn && days !== null && days >= OLD_FROM_DAYS ? 'warn medium' : 'two'}`}>
        {isOwn ? 'yours' : days === null ? '' : plural(days, 'day')}
      </td>
      <td>
        {source === null ? null : (
          <a href={source} target="_blank" rel="noreferrer">
            {hostOf(source)}
          </a>
        )}
      </td>
    </tr>
  )
}
