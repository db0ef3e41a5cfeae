import { useQueries, useQuery } from '@tanstack/preact-query'
import { useEffect, useRef } from 'preact/hooks'
import type { Comparison, Generation } from '../../client/index.ts'
import { isOpen } from '../parts/state.tsx'
import { announce } from '../shell/announce.tsx'
import { client } from '../shell/gateway.ts'
import { endedText, hasEnded, type Part } from './part.ts'

const WHILE_OPEN_MS = 1_000

/** The comparison, brought up to date while it is open. */
export function useComparison(id: string | null) {
  return useQuery({
    queryKey: ['comparison', id],
    queryFn: () => client().comparison(id ?? ''),
    enabled: id !== null,
    refetchInterval: ({ state }) => (state.data?.status === 'running' ? WHILE_OPEN_MS : false),
  })
}

/** Generations that were asked for once more from a column, by provider. */
export function useAgain(ids: Readonly<Record<string, string>>): ReadonlyMap<string, Generation> {
  const entries = Object.entries(ids)
  const results = useQueries({
    queries: entries.map(([, id]) => ({
      queryKey: ['generation', id],
      queryFn: () => client().get(id),
      refetchInterval: ({ state }: { readonly state: { readonly data: Generation | undefined } }) =>
        state.data === undefined || isOpen(state.data.status) ? WHILE_OPEN_MS : (false as const),
    })),
  })
  return new Map(entries.flatMap(([provider], at) => (results[at]?.data === undefined ? [] : [[provider, results[at].data]])))
}

/** Says each part as it ends; those that had ended when the page was opened are passed over. */
export function useEndings(comparison: Comparison | undefined, parts: readonly Part[]): void {
  const said = useRef<{ readonly id: string; readonly providers: Set<string> } | null>(null)
  useEffect(() => {
    if (comparison === undefined || parts.length === 0) return
    const ended = parts.filter(hasEnded)
    if (said.current?.id !== comparison.id) {
      said.current = { id: comparison.id, providers: new Set(ended.map(({ provider }) => provider)) }
      return
    }
    const known = said.current.providers
    const fresh = ended.filter(({ provider }) => !known.has(provider))
    for (const { provider } of fresh) known.add(provider)
    if (fresh.length > 0) announce(fresh.map(endedText).join('. '))
  }, [comparison, parts])
}
