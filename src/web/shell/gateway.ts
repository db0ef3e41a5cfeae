import { QueryCache, QueryClient, useQuery } from '@tanstack/preact-query'
import { ClientError, createClient, type Client, type CurrentKey, type ProviderState } from '../../client/index.ts'
import { messageOf } from '../format/text.ts'
import { keep, kept } from './kept.ts'
import { watched } from './watched.ts'

/** The gateway as these pages reach it: one client, one cache, and what is known of the connection. */
let current: Client = connect(kept('session', 'key'))
export const client = (): Client => (isOfTab() ? current : connect(null))

/** What the tab kept when this document last took its key from there. */
let keyOfDocument = kept('session', 'key')

/**
 * Whether the tab still has the key of this document. The browser keeps whole documents for Back, with what they show and their key: where the tab
 * has another one since, or none, such a document begins anew.
 */
function isOfTab(): boolean {
  if (kept('session', 'key') === keyOfDocument) return true
  document.documentElement.hidden = true
  location.reload()
  return false
}
addEventListener('pageshow', isOfTab)

function connect(key: string | null): Client {
  return createClient({ url: location.origin, ...(key === null ? {} : { key }) })
}

/** Whether a gateway key is asked for: not at all, for the first time, or again because the last one is not known. */
export const keyAsked = watched<'no' | 'first' | 'wrong'>('no')

/** Since when the gateway does not answer: the instant of its last answer. Null while it does. */
export const awaySince = watched<Date | null>(null)
let lastAnswer = new Date()

export const isAway = (error: unknown): boolean =>
  error instanceof ClientError && (error.status === null || [502, 503, 504].includes(error.status)) && error.problem === null

/** Every failure of a question comes by here, whoever asked. */
export function heard(error: unknown): void {
  if (isAway(error)) awaySince.set(awaySince.get() ?? lastAnswer)
  if (error instanceof ClientError && error.status === 401) keyAsked.set(kept('session', 'key') === null ? 'first' : 'wrong')
}

/** What an action that failed is answered with; that the gateway is away, or its key counts no more, is seen here too. */
export function saidBy(error: unknown): string {
  heard(error)
  return messageOf(error)
}

export const queries = new QueryClient({
  queryCache: new QueryCache({
    onError: heard,
    onSuccess: () => {
      lastAnswer = new Date()
      if (awaySince.get() === null) return
      // Whoever got an answer first says so for all.
      awaySince.set(null)
      void queries.invalidateQueries()
    },
  }),
  // Loopback works without a network, and Offline does the trying again.
  defaultOptions: {
    queries: { retry: false, networkMode: 'always', staleTime: 2_000 },
    mutations: { networkMode: 'always', onError: heard },
  },
})

const forgetters = new Set<() => void>()
/**
 * Calls back when somebody asks for another key: whoever comes next sees nothing that was typed or shown with the one before. Where a key counts
 * no more, what was typed waits for the next one.
 */
export const whenKeyGoes = (forget: () => void): void => void forgetters.add(forget)

export function openWith(key: string): void {
  keep('session', 'key', key)
  keyOfDocument = kept('session', 'key')
  current = connect(key)
  keyAsked.set('no')
  queries.clear()
}

export const forgetKey = (): void => {
  for (const forget of forgetters) forget()
  keep('session', 'key', null)
  keyOfDocument = null
  current = connect(null)
  queries.clear()
  keyAsked.set('first')
}

/** The key of this tab, what it may do and what is left of its budget. */
export const useCurrentKey = (): CurrentKey | undefined =>
  useQuery({ queryKey: ['key'], queryFn: () => client().currentKey(), staleTime: 60_000 }).data

/** Whether this tab's key may buy, cancel and send again. */
export const useMayBuy = (): boolean => useCurrentKey()?.scope !== 'read'

const NONE: readonly ProviderState[] = []

export function useProviders() {
  const { data, isPending } = useQuery({ queryKey: ['providers'], queryFn: () => client().providers(), staleTime: 15_000 })
  const providers = data ?? NONE
  return { providers, isPending, sandbox: providers.some(({ sandbox }) => sandbox) }
}

/** The title of a provider, as people know it. */
export function useTitles(): (id: string | null) => string {
  const { providers } = useProviders()
  return (id) => (id === null ? '' : (providers.find((provider) => provider.id === id)?.title ?? id))
}
