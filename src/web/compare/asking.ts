import { useQuery } from '@tanstack/preact-query'
import { useEffect, useMemo, useState } from 'preact/hooks'
import type { Comparison, Model, Quote } from '../../client/index.ts'
import { compareUsd } from '../../contract/amounts.ts'
import { usdText } from '../format/usd.ts'
import { awaySince, client, useMayBuy, useTitles } from '../shell/gateway.ts'
import { keep, kept } from '../shell/kept.ts'
import { navigate } from '../shell/router.ts'
import { useWatched, watched } from '../shell/watched.ts'
import { draftOf, EMPTY, requestOf, type Draft } from './draft.ts'
import { useComparison } from './follow.ts'
import type { Wrong } from './form-field.tsx'
import type { LimitedOffer } from './limits.ts'
import { overStop, saidOf, useStart } from './start.ts'
import { totalOf, useQuotes } from './use-quotes.ts'

/** Kept while another page is shown. */
const draftInForm = watched<Draft>(EMPTY)
/** The comparison whose request the form holds. */
let shownInForm: string | null = null

/** Puts a request that was sent before into the form, for other providers too, and shows it. */
export function askAgain(request: Comparison['request']): void {
  const { provider: _, ...others } = request
  draftInForm.set(draftOf(others, { ...EMPTY, unchecked: [] }))
  shownInForm = null
  navigate('/')
  scrollTo(0, 0)
}

const NO_MODELS: readonly Model[] = []

function useDraft(models: readonly Model[], comparison: Comparison | undefined, model: Model | undefined) {
  const draft = useWatched(draftInForm)
  const change = (part: Partial<Draft>) => draftInForm.set({ ...draftInForm.get(), ...part })
  useEffect(() => {
    if (draft.model !== '' || models.length === 0) return
    const last = kept('local', 'model')
    const chosen = models.find(({ id }) => id === last) ?? models.find(({ id }) => id === 'flux-2-pro') ?? models[0]
    change({ model: chosen?.id ?? '' })
  }, [draft.model, models])
  useEffect(() => {
    if (draft.model !== '') keep('local', 'model', draft.model)
  }, [draft.model])
  useEffect(() => {
    if (comparison === undefined || comparison.id === shownInForm) return
    shownInForm = comparison.id
    draftInForm.set(draftOf(comparison.request, draftInForm.get()))
  }, [comparison])
  useEffect(() => {
    if (comparison === undefined || model === undefined || model.id !== comparison.request['model']) return
    const asked = new Set(comparison.summary.map(({ provider }) => provider))
    change({ unchecked: model.offers.map(({ provider }) => provider).filter((id) => !asked.has(id)) })
  }, [comparison?.id, model?.id])
  return { draft, change }
}

/** Everything the form knows: the request, what each would charge, and what is wrong with it. */
export function useAsking(id: string | null) {
  const titles = useTitles()
  const models = useQuery({ queryKey: ['models'], queryFn: () => client().models(), staleTime: 60_000 }).data ?? NO_MODELS
  const comparison = useComparison(id)
  const chosen = useWatched(draftInForm).model
  const model = useQuery({
    queryKey: ['model', chosen],
    queryFn: () => client().model(chosen),
    enabled: chosen !== '',
    staleTime: 30_000,
  }).data
  const { draft, change } = useDraft(models, comparison.data, model)
  const { quote, error, isBusy } = useQuotes(useMemo(() => requestOf(draft, { forPrices: true }), [draft]))
  const total = totalOf(quote?.offers ?? [], draft.unchecked)
  const offers: readonly LimitedOffer[] = (model?.offers ?? [])
    .filter(({ provider, enabled }) => enabled && !draft.unchecked.includes(provider))
    .map(({ provider, limits }) => ({ title: titles(provider), limits }))
  return {
    titles,
    models,
    comparison,
    model,
    draft,
    change,
    quote,
    isBusy,
    total,
    offers,
    quoteSaid: saidOf(error),
    quoteFailed: error !== null,
  }
}

/** A press that waits for the prices of what the form holds. */
interface Waiting {
  readonly seed: string
  /** The total that stood there when it was pressed; null where none did. */
  readonly shown: string | null
}

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

/** Starts what the form holds, unless something speaks against it; `said` is what does. A press before the prices are there waits for them. */
export function useGo(asking: ReturnType<typeof useAsking>, onStarted: () => void) {
  const { draft, quote, isBusy, total, quoteSaid, quoteFailed } = asking
  const starting = useStart()
  const obstacle = useObstacle(asking)
  const [promptSaid, setPromptSaid] = useState<string | null>(null)
  const [waiting, setWaiting] = useState<Waiting | null>(null)
  const wrong: Wrong = { ...quoteSaid.wrong, ...starting.wrong, ...(promptSaid === null ? {} : { prompt: promptSaid }) }
  const begin = async (seed: string, shown: Quote) => {
    const providers = total.checked.map(({ provider }) => provider)
    const started = await starting.start({ ...draft, seed }, shown, providers)
    if (started === null) return
    shownInForm = started
    onStarted()
  }
  const go = async (seed = draft.seed) => {
    const isEmpty = draft.prompt.trim() === '' && draft.references.length === 0
    setPromptSaid(isEmpty ? 'A prompt is needed.' : null)
    if (isEmpty) return document.getElementById('prompt')?.focus()
    if (obstacle !== '' || starting.isStarting) return
    if (quote === undefined || isBusy) setWaiting({ seed, shown: quote === undefined ? null : total.known })
    else await begin(seed, quote)
  }
  useEffect(() => {
    if (waiting === null || isBusy || (quote === undefined && !quoteFailed)) return
    setWaiting(null)
    if (quote === undefined || obstacle !== '') return
    if (waiting.shown === null || compareUsd(waiting.shown, total.known) === 0) void begin(waiting.seed, quote)
    else starting.refuse(`It was ${usdText(waiting.shown)}, and is ${usdText(total.known)} as it stands now. Compare again to agree.`)
  }, [waiting, isBusy, quote, quoteFailed])
  const said = obstacle === '' && waiting !== null ? 'It starts as soon as its prices are there.' : obstacle
  const isOff = obstacle !== '' || starting.isStarting
  /** Before the quotes have come, nothing can be asked. */
  const isReady = quote !== undefined && total.checked.length > 0
  return { go, wrong, said, isOff, isReady, refusal: starting.refusal ?? quoteSaid.refusal, forgetPrompt: () => setPromptSaid(null) }
}
