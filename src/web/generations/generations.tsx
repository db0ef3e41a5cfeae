import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/preact-query'
import type { VNode } from 'preact'
import { useMemo, useRef, useState } from 'preact/hooks'
import type { Generation } from '../../client/index.ts'
import { State } from '../parts/state.tsx'
import { client, useProviders, useTitles } from '../shell/gateway.ts'
import { useKeys } from '../shell/keys.ts'
import { FilterLine, filtersOf, listQueryOf } from './filters.tsx'
import { GenerationRow } from './row.tsx'
import '../styles/generations.css'

const PAGE = 50
const EVERY_MS = 3_000
const NONE: readonly Generation[] = []

/** All generations, newest first. What is new comes by itself while the top of the list is in view; else a button says how many. */
export function Generations({ query }: { readonly query: string }) {
  const filters = filtersOf(query)
  const asked = useMemo(() => listQueryOf(filtersOf(query)), [query])
  const pages = useInfiniteQuery({
    queryKey: ['generations', asked],
    queryFn: ({ pageParam }) => client().list({ ...asked, limit: PAGE, ...(pageParam === '' ? {} : { cursor: pageParam }) }),
    initialPageParam: '',
    getNextPageParam: (last) => last.next_cursor,
    placeholderData: keepPreviousData,
    // Only the first page is asked again and again, below.
    refetchOnWindowFocus: false,
  })
  const newest = useQuery({
    queryKey: ['newest', asked],
    queryFn: () => client().list({ ...asked, limit: PAGE }),
    refetchInterval: EVERY_MS,
    staleTime: 0,
  })
  const [top, setTop] = useState<string | null>(null)
  const rows = useMemo(
    () => merged(newest.data?.data ?? NONE, pages.data?.pages.flatMap(({ data }) => data) ?? NONE),
    [newest.data, pages.data],
  )
  const isScrolled = scrollY > 80
  const held =
    isScrolled && top !== null
      ? Math.max(
          0,
          rows.findIndex(({ id }) => id === top),
        )
      : 0
  const shown = rows.slice(held)
  const rowOf = useRows(rows)
  if (shown[0] !== undefined && shown[0].id !== top) queueMicrotask(() => setTop(shown[0]?.id ?? null))
  const list = useRef<HTMLTableSectionElement>(null)
  useRowKeys(list)
  const isFiltered = Object.keys(asked).length > 0
  return (
    <main id="content" class="narrow">
      <div class="page-head">
        <h1 class="title">Generations</h1>
        <span class="small two live">
          <State shown="succeeded" word="" /> Live, newest first
        </span>
      </div>
      <FilterLine filters={filters} />
      {held > 0 ? (
        <button
          type="button"
          class="button compact newer"
          onClick={() => {
            setTop(null)
            scrollTo(0, 0)
          }}
        >
          {held} new
        </button>
      ) : null}
      {pages.isSuccess && shown.length === 0 ? (
        <Nothing isFiltered={isFiltered} />
      ) : (
        <div class="card list-card">
          <table class="generations" aria-label="Generations" aria-busy={pages.isPending}>
            <Heads />
            <tbody ref={list}>{shown.map((generation) => rowOf(generation))}</tbody>
          </table>
        </div>
      )}
      {pages.hasNextPage ? (
        <button type="button" class="button older" disabled={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>
          Show {PAGE} older
        </button>
      ) : null}
    </main>
  )
}

const Heads = () => (
  <thead>
    <tr>
      <th scope="col">Prompt</th>
      <th scope="col" class="thumb-cell">
        <span class="hidden">Image</span>
      </th>
      <th scope="col">State</th>
      <th scope="col">Provider</th>
      <th scope="col" class="num">
        Cost
      </th>
      <th scope="col" class="num">
        Time
      </th>
      <th scope="col" class="num">
        When
      </th>
    </tr>
  </thead>
)

function Nothing({ isFiltered }: { readonly isFiltered: boolean }) {
  return isFiltered ? (
    <p class="card empty">
      <span>
        Nothing matches. <a href="/generations">Clear the filters</a>
      </span>
    </p>
  ) : (
    <div class="card empty">
      <h2>No generations yet</h2>
      <span>
        Ask for one on <a href="/">Compare</a>, or from a terminal:
      </span>
      <code class="command">npm run demo</code>
    </div>
  )
}

/** The newest page in front of the older ones, each generation once. */
function merged(newest: readonly Generation[], older: readonly Generation[]): readonly Generation[] {
  const known = new Set(newest.map(({ id }) => id))
  return [...newest, ...older.filter(({ id }) => !known.has(id))].toSorted((one, other) => (one.created_at < other.created_at ? 1 : -1))
}

/** Makes each row once: what has not changed since is not made again, however long the list is. */
function useRows(rows: readonly Generation[]): (generation: Generation) => VNode {
  const { providers } = useProviders()
  const titles = useTitles()
  // One for each list of providers: their titles stand in the rows.
  const made = useMemo(() => new WeakMap<Generation, { readonly compared: number; readonly row: VNode }>(), [providers])
  const compared = useMemo(() => {
    const counts = new Map<string, number>()
    for (const { comparison } of rows) if (comparison !== null) counts.set(comparison, (counts.get(comparison) ?? 0) + 1)
    return counts
  }, [rows])
  return (generation) => {
    const count = generation.comparison === null ? 0 : (compared.get(generation.comparison) ?? 0)
    const known = made.get(generation)
    if (known?.compared === count) return known.row
    const row = <GenerationRow key={generation.id} generation={generation} titles={titles} compared={count} />
    made.set(generation, { compared: count, row })
    return row
  }
}

/** J and K go from row to row; Enter opens one, as it does on every link. */
function useRowKeys(list: { readonly current: HTMLTableSectionElement | null }): void {
  const go = (by: number) => {
    const links = [...(list.current?.querySelectorAll('a') ?? [])]
    const at = links.findIndex((link) => link === document.activeElement)
    links[Math.min(links.length - 1, Math.max(0, at + by))]?.focus()
  }
  useKeys({ j: () => go(1), k: () => go(-1) })
}
