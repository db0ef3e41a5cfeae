import { useState } from 'preact/hooks'
import { ClientError, type Quote } from '../../client/index.ts'
import { compareUsd, subtractUsd, sumUsd } from '../../contract/amounts.ts'
import { messageOf } from '../format/text.ts'
import { usdText } from '../format/usd.ts'
import { client, heard, isAway, queries } from '../shell/gateway.ts'
import { freshKey } from '../shell/plain-http.ts'
import { navigate } from '../shell/router.ts'
import { overBudget, type Refusal } from './refusal.ts'
import { requestOf, type Draft } from './draft.ts'
import type { Wrong } from './form-field.tsx'
import type { Total } from './use-quotes.ts'

/** How far the total is over the stop; null where it is not, or no stop is set. */
export function overStop(total: Total, stop: string): string | null {
  if (!/^\d{1,12}(\.\d{1,9})?$/.test(stop.trim())) return null
  return compareUsd(total.known, stop.trim()) > 0 ? subtractUsd(total.known, stop.trim()) : null
}

/** The fields that say below them what is wrong with them. */
const FIELDS = new Set(
  'prompt model width height n seed output_format output_quality safety_tolerance guidance steps quality background mask reference_images metadata webhook provider.max_price_usd'.split(
    ' ',
  ),
)

/** The field that holds what a path of the request names: `metadata` of `metadata.team`; of an option its own. */
const fieldOf = (path: string): string => (/^provider(_options)?\./.test(path) ? path : path.replace(/\..*$/s, ''))

/** What is said of a refused request: below the fields it names, and in a note. */
export function saidOf(error: unknown): { readonly refusal: Refusal | null; readonly wrong: Wrong } {
  if (error === null) return { refusal: null, wrong: {} }
  if (!(error instanceof ClientError) || error.problem === null) {
    if (isAway(error)) return { refusal: null, wrong: {} }
    return {
      refusal: { kind: 'red', head: 'It could not be started.', text: messageOf(error), of: error },
      wrong: {},
    }
  }
  const { code, title, detail, errors = [] } = error.problem
  const wrong = Object.fromEntries(errors.map(({ path, message }) => [fieldOf(path), message]))
  // Each fault stands below its field; a note would say it twice.
  if (errors.length > 0 && Object.keys(wrong).every((field) => FIELDS.has(field) || field.startsWith('provider_options.')))
    return { refusal: null, wrong }
  if (code === 'budget_exceeded')
    return { refusal: { kind: 'red', head: 'Over the budget.', text: `${detail} Nothing was bought.`, of: error }, wrong: {} }
  if (code === 'no_eligible_offer') return { refusal: { kind: 'red', head: 'No provider can take this request.', text: detail }, wrong: {} }
  if (error.status === 403) return { refusal: { kind: 'red', head: 'This key may only read.', text: detail }, wrong }
  return { refusal: { kind: 'red', head: `${title}.`, text: detail, of: error }, wrong }
}

/** Of a start that the budget refused: what was used of it, and what all that was checked would have cost. Null of any other error. */
async function saidOfBudget({ offers }: Quote, checked: readonly string[], error: unknown): Promise<ReturnType<typeof saidOf> | null> {
  if (!(error instanceof ClientError) || error.problem?.code !== 'budget_exceeded') return null
  const { budget } = await client()
    .currentKey()
    .catch(() => ({ budget: null }))
  if (budget === null) return null
  const prices = offers.flatMap(({ provider, cost }) => (cost !== null && checked.includes(provider) ? [cost.amount] : []))
  return { refusal: overBudget(budget, prices.length === 0 ? null : sumUsd(prices)), wrong: {} }
}

/** The first price that is another one than what was shown. */
function changedPrice(shown: Quote, now: Quote, checked: readonly string[]): string | null {
  for (const offer of now.offers.filter(({ provider }) => checked.includes(provider))) {
    const before = shown.offers.find(({ provider }) => provider === offer.provider)?.cost?.amount
    if (before !== undefined && offer.cost !== null && compareUsd(before, offer.cost.amount) !== 0)
      return `Quoted ${usdText(before)}, now ${usdText(offer.cost.amount)}. Compare again to agree.`
  }
  return null
}

/** Starts a comparison, once for each press. */
export function useStart() {
  const [isStarting, setIsStarting] = useState(false)
  const [said, setSaid] = useState<{ readonly refusal: Refusal | null; readonly wrong: Wrong }>({ refusal: null, wrong: {} })
  const start = async (draft: Draft, quote: Quote, providers: readonly string[]): Promise<string | null> => {
    setIsStarting(true)
    setSaid({ refusal: null, wrong: {} })
    try {
      const request = requestOf(draft)
      const text = changedPrice(quote, await client().quote(request), providers)
      if (text !== null) {
        await queries.invalidateQueries({ queryKey: ['quote'] })
        setSaid({ refusal: { kind: 'amber', head: 'The provider changed its price.', text }, wrong: {} })
        return null
      }
      const comparison = await client().compare(request, { providers, idempotencyKey: freshKey() })
      queries.setQueryData(['comparison', comparison.id], comparison)
      void queries.invalidateQueries({ queryKey: ['lately'] })
      navigate(`/?c=${comparison.id}`)
      return comparison.id
    } catch (error) {
      heard(error)
      setSaid((await saidOfBudget(quote, providers, error)) ?? saidOf(error))
      return null
    } finally {
      setIsStarting(false)
    }
  }
  /** Nothing was started, because what was typed last has another price than the one that stood there. */
  const refuse = (text: string) => setSaid({ refusal: { kind: 'amber', head: 'Another price.', text }, wrong: {} })
  return { start, isStarting, ...said, refuse }
}
