import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/preact-query'
import type { VNode } from 'preact'
import { useMemo, useRef, useState } from 'preact/hooks'
import type { Generation } from '../../client/index.ts'
import { NothingYet } from '../parts/nothing-yet.tsx'
import { Problem } from '../parts/problem.tsx'
import { State } from '../parts/state.tsx'
import { decimalsOfAll } from '../parts/usd.tsx'
import { client, useProviders, useTitles } from '../shell/gateway.ts'
import { useKeys } from '../shell/keys.ts'
import { useIsSlow } from '../shell/slow.ts'
import { FilterLine, filtersOf, listQueryOf } from './filters.tsx'
import { GenerationRow } from './row.tsx'
import '../styles/generations.css'

const PAGE = 50
const EVERY_MS = 3_000
const NONE: readonly Generation[] = []
const NO_PAGES: readonly Page[] = []

type Page = Awaited<ReturnType<ReturnType<typeof client>['list']>>

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
    // Comparing thousands of rows field by field, to keep those that are equal, would take longer than showing them.
    structuralSharing: false,
  })
  const newest = useQuery({
    queryKey: ['newest', asked],
    queryFn: () => client().list({ ...asked, limit: PAGE }),
    refetchInterval: EVERY_MS,
    staleTime: 0,
  })
  const [top, setTop] = useState<string | null>(null)
  const groups = useMemo(() => groupsOf(newest.data, pages.data?.pages ?? NO_PAGES), [newest.data, pages.data])
  const rows = useMemo(() => groups.flatMap((group) => group.rows), [groups])
  const isScrolled = scrollY > 80
  const held =
    isScrolled && top !== null
      ? Math.max(
          0,
          rows.findIndex(({ id }) => id === top),
        )
      : 0
  const first = rows[held]
  const rowOf = useRows(rows, Object.keys(asked).length === 0, pages.hasNextPage)
  const isSlow = useIsSlow(pages.isPending)
  if (first !== undefined && first.id !== top) queueMicrotask(() => setTop(first.id))
  const list = useRef<HTMLTableElement>(null)
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
      <Problem error={pages.data === undefined ? pages.error : null} />
      {pages.isSuccess && first === undefined ? (
        <Nothing isFiltered={isFiltered} />
      ) : (
        <div class="card list-card">
          <table ref={list} class="generations" aria-label="Generations" aria-busy={pages.isPending}>
            <Heads />
            {isSlow ? <EmptyRows /> : null}
            {withoutFirst(groups, held).map((group) => (
              <tbody key={group.key}>{group.rows.map((generation) => rowOf(generation))}</tbody>
            ))}
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

const EMPTY_ROWS = 6

const EmptyRows = () => (
  <tbody>
    {Array.from({ length: EMPTY_ROWS }, (_, row) => (
      <tr key={row}>
        <td class="what" />
        <td class="thumb-cell">
          <span class="thumbnail no-image queued" />
        </td>
      </tr>
    ))}
  </tbody>
)

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
    <NothingYet />
  )
}

/** Rows that stand and move together: those of a page. What is far from the screen is laid out a group at a time, when it comes near. */
interface Group {
  readonly key: string
  readonly rows: readonly Generation[]
}

/**
 * What is newer than the pages, then each page, newest first. A row that is among the newest is shown as it is now; one that should be among
 * them and is not does not match the filters any more.
 */
function groupsOf(newest: Page | undefined, pages: readonly Page[]): readonly Group[] {
  const now = new Map((newest?.data ?? NONE).map((generation) => [generation.id, generation]))
  const oldest = newest?.data.at(-1)?.created_at
  const isGone = ({ id, created_at: at }: Generation): boolean =>
    newest !== undefined && !now.has(id) && (newest.next_cursor === null || (oldest !== undefined && at > oldest))
  const seen = new Set<string>()
  const older = pages.map(({ data }, index): Group => {
    const rows = data
      .filter((generation) => !seen.has(generation.id) && !isGone(generation))
      .map((generation) => now.get(generation.id) ?? generation)
    for (const { id } of rows) seen.add(id)
    return { key: `page ${index}`, rows }
  })
  return [{ key: 'newer', rows: [...now.values()].filter(({ id }) => !seen.has(id)) }, ...older]
}

/** The groups without the first so many rows, which a button brings. */
function withoutFirst(groups: readonly Group[], held: number): readonly Group[] {
  let left = held
  return groups.flatMap((group) => {
    const skipped = Math.min(left, group.rows.length)
    left -= skipped
    if (skipped === group.rows.length) return []
    return [skipped === 0 ? group : { ...group, rows: group.rows.slice(skipped) }]
  })
}

/** How many were compared together, of each comparison that is in view whole: not where a filter leaves some out, nor where the list breaks off. */
function comparedOf(rows: readonly Generation[], isAll: boolean, hasMore: boolean): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  if (!isAll) return counts
  for (const { comparison } of rows) if (comparison !== null) counts.set(comparison, (counts.get(comparison) ?? 0) + 1)
  if (hasMore) counts.delete(rows.at(-1)?.comparison ?? '')
  return counts
}

/** Makes each row once: what has not changed since is not made again, however long the list is. */
function useRows(rows: readonly Generation[], isAll: boolean, hasMore: boolean): (generation: Generation) => VNode {
  const { providers } = useProviders()
  const titles = useTitles()
  // One for each list of providers, whose titles stand in the rows, and for each number of digits that the column of money has.
  const decimals = useMemo(() => decimalsOfAll(rows.map(({ cost }) => cost.amount ?? cost.quoted)), [rows])
  const made = useMemo(() => new WeakMap<Generation, { readonly compared: number | null; readonly row: VNode }>(), [providers, decimals])
  const compared = useMemo(() => comparedOf(rows, isAll, hasMore), [rows, isAll, hasMore])
  return (generation) => {
    const count = generation.comparison === null ? 0 : (compared.get(generation.comparison) ?? null)
    const known = made.get(generation)
    if (known?.compared === count) return known.row
    const row = <GenerationRow key={generation.id} {...{ generation, titles, decimals }} compared={count} />
    made.set(generation, { compared: count, row })
    return row
  }
}

/** J and K go from row to row; Enter opens one, as it does on every link. */
function useRowKeys(list: { readonly current: HTMLTableElement | null }): void {
  const go = (by: number) => {
    const links = [...(list.current?.querySelectorAll('a') ?? [])]
    const at = links.findIndex((link) => link === document.activeElement)
    links[Math.min(links.length - 1, Math.max(0, at + by))]?.focus()
  }
  useKeys({ j: () => go(1), k: () => go(-1) })
}
