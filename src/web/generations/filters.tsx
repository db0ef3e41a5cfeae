import { useQuery } from '@tanstack/preact-query'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { ListQuery } from '../../client/index.ts'
import { Segments } from '../compare/toolbar.tsx'
import { client, useProviders } from '../shell/gateway.ts'
import { navigate } from '../shell/router.ts'

const STATUSES = [
  ['', 'All'],
  ['queued', 'Queued'],
  ['running', 'Running'],
  ['succeeded', 'Succeeded'],
  ['failed', 'Failed'],
  ['canceled', 'Canceled'],
] as const

type Status = (typeof STATUSES)[number][0]

export interface Filters {
  readonly search: string
  readonly status: Status
  readonly model: string
  readonly provider: string
  readonly cost: '' | 'unknown'
}

export function filtersOf(query: string): Filters {
  const given = new URLSearchParams(query)
  const status = STATUSES.find(([name]) => name === given.get('status'))?.[0] ?? ''
  return {
    search: given.get('q') ?? '',
    status,
    model: given.get('model') ?? '',
    provider: given.get('provider') ?? '',
    cost: given.get('cost') === 'unknown' ? 'unknown' : '',
  }
}

/** What is asked of the API. `name=value` is metadata; anything else is searched for in prompts. */
export function listQueryOf({ search, status, model, provider, cost }: Filters): ListQuery {
  const pair = /^([^\s=]+)=(.*)$/.exec(search.trim())
  return {
    ...(status === '' ? {} : { status }),
    ...(model === '' ? {} : { model }),
    ...(provider === '' ? {} : { provider }),
    ...(cost === '' ? {} : { cost }),
    ...(pair === null ? (search.trim() === '' ? {} : { q: search.trim() }) : { metadata: { [pair[1] ?? '']: pair[2] ?? '' } }),
  }
}

function show(filters: Filters): void {
  const { search, ...others } = filters
  const given = new URLSearchParams(Object.entries({ q: search, ...others }).filter(([, value]) => value !== ''))
  navigate(`/generations${given.size === 0 ? '' : `?${given}`}`, 'replace')
}

const AFTER_LAST_KEY_MS = 250

/** The filters of the list; they stand in the page's address. */
export function FilterLine({ filters }: { readonly filters: Filters }) {
  const [search, setSearch] = useState(filters.search)
  const models = useQuery({ queryKey: ['models'], queryFn: () => client().models(), staleTime: 60_000 }).data ?? []
  const { providers } = useProviders()
  /** What this box itself put into the address: it says nothing new, and what is typed meanwhile stays. */
  const shown = useRef(filters.search)
  useEffect(() => {
    if (filters.search === shown.current) return
    shown.current = filters.search
    setSearch(filters.search)
  }, [filters.search])
  useEffect(() => {
    if (search === filters.search) return
    const timer = setTimeout(() => {
      if (/^gen_[a-z0-9]+$/i.test(search.trim())) navigate(`/generations/${search.trim()}`)
      else {
        shown.current = search
        show({ ...filters, search })
      }
    }, AFTER_LAST_KEY_MS)
    return () => clearTimeout(timer)
  }, [search, filters])
  return (
    <div class="filters">
      <input
        class="control search"
        type="search"
        aria-label="Search: words, an id, or metadata"
        placeholder="Words, an id, or metadata: team=shop"
        value={search}
        onInput={(event) => setSearch(event.currentTarget.value)}
      />
      <Segments label="State" value={filters.status} choices={STATUSES} onValue={(status) => show({ ...filters, status })} />
      <select
        class="control"
        aria-label="Model"
        value={filters.model}
        onChange={(event) => show({ ...filters, model: event.currentTarget.value })}
      >
        <option value="">Any model</option>
        {models.map(({ id }) => (
          <option key={id} value={id}>
            {id}
          </option>
        ))}
      </select>
      <select
        class="control"
        aria-label="Provider"
        value={filters.provider}
        onChange={(event) => show({ ...filters, provider: event.currentTarget.value })}
      >
        <option value="">Any provider</option>
        {providers.map(({ id, title }) => (
          <option key={id} value={id}>
            {title}
          </option>
        ))}
      </select>
      <select
        class="control"
        aria-label="Cost"
        value={filters.cost}
        onChange={(event) => show({ ...filters, cost: event.currentTarget.value === 'unknown' ? 'unknown' : '' })}
      >
        <option value="">Any cost</option>
        <option value="unknown">Of unknown cost</option>
      </select>
    </div>
  )
}
