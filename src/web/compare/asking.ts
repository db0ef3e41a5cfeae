import { useQuery } from '@tanstack/preact-query'
import { useEffect, useMemo } from 'preact/hooks'
import type { Comparison, Model } from '../../client/index.ts'
import { client, useTitles, whenKeyGoes } from '../shell/gateway.ts'
import { keep, kept, keptJson } from '../shell/kept.ts'
import { navigate } from '../shell/router.ts'
import { useWatched, watched } from '../shell/watched.ts'
import { draftOf, EMPTY, requestOf, type Draft } from './draft.ts'
import { useComparison } from './follow.ts'
import type { LimitedOffer } from './limits.ts'
import { saidOf } from './start.ts'
import { totalOf, useQuotes } from './use-quotes.ts'
import { comparedRequest } from './whole-request.ts'

/** Kept while another page is shown, and for the tab when it is loaded anew; images that are not stored yet only for as long as the page lives. */
const draftInForm = watched<Draft>({ ...EMPTY, ...keptJson<Partial<Draft>>('session', 'draft', {}) })
draftInForm.watch(() => {
  const { references: _, mask: __, ...typed } = draftInForm.get()
  keep('session', 'draft', JSON.stringify(typed))
})
/** The comparison whose request the form holds. */
let shownInForm: string | null = null
export const holdsRequestOf = (comparison: string): void => {
  shownInForm = comparison
}

whenKeyGoes(() => {
  draftInForm.set({ ...EMPTY })
  shownInForm = null
})

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
    // An effect runs a frame after the list is shown: a model that somebody chose in between stays.
    if (draftInForm.get().model !== '' || models.length === 0) return
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
    draftInForm.set(draftOf(comparedRequest(comparison), draftInForm.get()))
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
  const { quote, before, error, isBusy } = useQuotes(useMemo(() => requestOf(draft, { forPrices: true }), [draft]))
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
    /** What was quoted last for this model, where the request as it stands has no quote. */
    before,
    isBusy,
    total,
    offers,
    quoteSaid: useMemo(() => saidOf(error), [error]),
    quoteFailed: error !== null,
  }
}
