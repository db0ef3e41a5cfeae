import { useQueries, useQuery } from '@tanstack/preact-query'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Comparison, Generation } from '../../client/index.ts'
import { isOpen } from '../parts/shown-state.ts'
import { announce } from '../shell/announce.tsx'
import { client, queries } from '../shell/gateway.ts'
import { followPartial, forgetPartial } from '../shell/partials.ts'
import { useStream } from '../shell/stream.ts'
import { afterEvent } from './after-event.ts'
import { endedText, hasEnded, type Part } from './part.ts'

const WHILE_OPEN_MS = 1_000
/** What no event says, such as whether a task is submitted or running, is asked for now and then. */
export const STEPS_MS = 3_000

/** The comparison, brought up to date by its events while it is open. */
export function useComparison(id: string | null) {
  const [asksAgain, setAsksAgain] = useState(false)
  const comparison = useQuery({
    queryKey: ['comparison', id],
    queryFn: () => client().comparison(id ?? ''),
    enabled: id !== null,
    refetchInterval: ({ state }) => (state.data?.status !== 'running' ? false : asksAgain ? WHILE_OPEN_MS : STEPS_MS),
  })
  const isRefused = useStream(
    id ?? '',
    comparison.data?.status === 'running',
    (of, options) => client().streamComparison(of, options),
    (event) => {
      if (event.kind === 'end') for (const { id: ended } of event.comparison.generations) forgetPartial(ended)
      if (event.kind === 'change') followPartial(event.id, event)
      queries.setQueryData<Comparison>(['comparison', id], (before) => (before === undefined ? undefined : afterEvent(before, event)))
    },
  )
  useEffect(() => setAsksAgain(isRefused), [isRefused])
  return comparison
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

/** Says each part as it ends; those that had ended when the page was opened are passed over. In a blind vote nothing is said of who ended when. */
export function useEndings(comparison: Comparison | undefined, parts: readonly Part[], isBlind: boolean): void {
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
    if (fresh.length > 0 && !isBlind) announce(fresh.map(endedText).join('. '))
  }, [comparison, parts])
}
