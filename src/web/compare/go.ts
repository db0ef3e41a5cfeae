import { useEffect, useState } from 'preact/hooks'
import type { Quote } from '../../client/index.ts'
import { compareUsd } from '../../contract/amounts.ts'
import { usdText } from '../format/usd.ts'
import { announce } from '../shell/announce.tsx'
import { awaySince, useMayBuy } from '../shell/gateway.ts'
import { useWatched } from '../shell/watched.ts'
import { holdsRequestOf, type useAsking } from './asking.ts'
import type { Wrong } from './form-field.tsx'
import { overStop, useStart } from './start.ts'
import { isAllUnpriced, type Total } from './use-quotes.ts'

/** A press on Compare that waits: for the prices, and where none stood there before, until they have been seen. */
interface Waiting {
  readonly seed: string
  /** The total as it was seen; null while none has been. */
  readonly seen: Total | null
  readonly thenMs: number
}

/** Long enough to read a sum, and to say no to it. */
const SEEN_MS = 2_000

const isSamePrice = (one: Total, other: Total): boolean => compareUsd(one.known, other.known) === 0 && one.unpriced === other.unpriced

/** `$0.0600 + 1 without a price` */
const totalText = (total: Total): string =>
  [isAllUnpriced(total) ? '' : usdText(total.known), total.unpriced === 0 ? '' : `${total.unpriced} without a price`]
    .filter((part) => part !== '')
    .join(' + ')

/** What speaks against a start, in the order in which it is to be mended; empty where nothing does. */
function useObstacle({ draft, quote, total }: ReturnType<typeof useAsking>): string {
  const isAway = useWatched(awaySince) !== null
  const mayBuy = useMayBuy()
  const over = overStop(total, draft.stop)
  if (isAway) return 'The gateway does not answer.'
  if (!mayBuy) return 'This key may only read.'
  if (over !== null) return `Over your stop by ${usdText(over)}. Uncheck a provider or raise it.`
  if (quote === undefined || total.checked.length > 0) return ''
  return quote.offers.some(({ eligible }) => eligible) ? 'No provider is checked.' : 'No provider can take this request.'
}

function waitingText({ seen, thenMs }: Waiting, isBusy: boolean): string {
  if (seen === null || isBusy || thenMs === 0) return 'It starts as soon as its prices are there.'
  return `It starts in a moment, for ${totalText(seen)}.`
}

/** A field that is at fault, or the sentence of one that is no box. */
export const FAULT = '.request [aria-invalid="true"], .request [data-fault]'
const toFault = (): void => document.querySelector<HTMLElement>(FAULT)?.focus()

/** After a refused start the first field that is at fault has the focus. */
function useFocusOnFault(wrong: Wrong): void {
  useEffect(() => {
    if (Object.keys(wrong).length === 0) return
    const frame = requestAnimationFrame(toFault)
    return () => cancelAnimationFrame(frame)
  }, [wrong])
}

/**
 * Starts what the form holds, unless something speaks against it; `said` is what does. Nothing is bought at a price that nobody has seen: a
 * press before the prices are there waits for them, shows them, and goes on after a moment in which it can be taken back.
 */
export function useGo(asking: ReturnType<typeof useAsking>, onStarted: () => void) {
  const { draft, quote, isBusy, total, quoteSaid, quoteFailed } = asking
  const starting = useStart()
  const obstacle = useObstacle(asking)
  const [promptSaid, setPromptSaid] = useState<string | null>(null)
  const [waiting, setWaiting] = useState<Waiting | null>(null)
  useFocusOnFault(starting.wrong)
  const wrong: Wrong = { ...quoteSaid.wrong, ...starting.wrong, ...(promptSaid === null ? {} : { prompt: promptSaid }) }
  const providers = total.checked.map(({ provider }) => provider)
  const begin = async (seed: string, shown: Quote) => {
    setWaiting(null)
    const started = await starting.start({ ...draft, seed }, shown, providers)
    if (started === null) return
    holdsRequestOf(started)
    onStarted()
  }
  const go = async (seed = draft.seed) => {
    const isEmpty = draft.prompt.trim() === '' && draft.references.length === 0
    setPromptSaid(isEmpty ? 'A prompt is needed.' : null)
    if (isEmpty) return document.getElementById('prompt')?.focus()
    if (obstacle !== '' || starting.isStarting) return
    if (quote === undefined && quoteFailed && !isBusy) toFault()
    else if (quote === undefined) setWaiting({ seed, seen: null, thenMs: SEEN_MS })
    else if (isBusy) setWaiting({ seed, seen: total, thenMs: 0 })
    else await begin(seed, quote)
  }
  useEffect(() => {
    if (waiting === null || isBusy || (quote === undefined && !quoteFailed)) return
    if (quote === undefined) toFault()
    if (quote === undefined || obstacle !== '') return setWaiting(null)
    const { seen, seed, thenMs } = waiting
    if (seen === null) {
      announce(`It starts in a moment, for ${totalText(total)}.`)
      return setWaiting({ ...waiting, seen: total })
    }
    if (!isSamePrice(seen, total)) {
      setWaiting(null)
      return starting.refuse(`It was ${totalText(seen)}, and is ${totalText(total)} as it stands now. Compare again to agree.`)
    }
    const timer = setTimeout(() => void begin(seed, quote), thenMs)
    return () => clearTimeout(timer)
  }, [waiting, isBusy, quote, quoteFailed, obstacle, providers.join(' ')])
  return {
    go,
    wrong,
    said: obstacle === '' && waiting !== null ? waitingText(waiting, isBusy) : obstacle,
    /** Takes a press back that is still waiting; null where none is. */
    takeBack: waiting === null ? null : () => setWaiting(null),
    isOff: obstacle !== '' || starting.isStarting,
    /** Before the quotes have come, nothing can be asked. */
    isReady: quote !== undefined && total.checked.length > 0,
    refusal: starting.refusal ?? quoteSaid.refusal,
    forgetPrompt: () => setPromptSaid(null),
  }
}
