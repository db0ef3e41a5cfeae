import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { Comparison, Model } from '../../client/index.ts'
import { compareUsd } from '../../contract/amounts.ts'
import { messageOf, textOf } from '../format/text.ts'
import { Note } from '../parts/note.tsx'
import { client, queries, useProviders } from '../shell/gateway.ts'
import { keep, keptJson } from '../shell/kept.ts'
import { useKeys } from '../shell/keys.ts'
import { useIsPhone } from '../shell/media.ts'
import { Column } from './column.tsx'
import { useAgain, useEndings } from './follow.ts'
import { columnsFor, fitted, GAP, MOST_COLUMN, sameScale } from './layout.ts'
import { askedSize, fastestOf, isDelivered, isFar, partsOf, type Part } from './part.ts'
import { Zoom } from './zoom.tsx'
import { Toolbar, type Sort, type View } from './toolbar.tsx'

const DENSE_FROM = 7

interface ResultsProps {
  readonly comparison: Comparison
  readonly model: Model | undefined
  readonly onSameSeed: () => void
}

/** A comparison: what each delivered, at one scale, with its receipt. */
export function Results({ comparison, model, onSameSeed }: ResultsProps) {
  const { providers } = useProviders()
  const [againIds, setAgainIds] = useState<Readonly<Record<string, string>>>({})
  const again = useAgain(againIds)
  const parts = useMemo(
    () => partsOf(comparison, (id) => providers.find((one) => one.id === id)?.title ?? id, again),
    [comparison, providers, again],
  )
  useEndings(comparison, parts)
  const [view, setView] = useState<View>('side')
  const [scale, setScale] = useState<'same' | 'fit'>('same')
  const [sort, setSort] = useState<Sort>('price')
  const [zoomed, setZoomed] = useState<string | null>(null)
  const [refused, setRefused] = useState<string | null>(null)
  const picks = usePick(comparison.id)
  const isPhone = useIsPhone()
  const asked = askedSize(comparison, parts)
  const sizes = parts.flatMap(({ images }) =>
    images.flatMap(({ width, height }) => (width === null || height === null ? [] : [{ width, height }])),
  )
  const isEqual = sizes.every(({ width, height }) => width === sizes[0]?.width && height === sizes[0].height)
  const draw = scale === 'same' ? sameScale(asked, sizes) : fitted(asked)
  const shown = parts.length >= DENSE_FROM ? sorted(parts, sort) : parts
  const delivered = parts.filter(isDelivered)
  const buyAgain = async (part: Part) => {
    try {
      const request = { ...comparison.request, provider: { only: [part.provider], allow_fallbacks: false } }
      const generation = await client().create(request as unknown as Parameters<ReturnType<typeof client>['create']>[0], {
        idempotencyKey: crypto.randomUUID(),
      })
      setAgainIds((before) => ({ ...before, [part.provider]: generation.id }))
    } catch (error) {
      setRefused(messageOf(error))
    }
  }
  const cancel = async ({ generation }: Part) => {
    if (generation === undefined) return
    await client()
      .cancel(generation.id)
      .catch((error: unknown) => setRefused(messageOf(error)))
    await queries.invalidateQueries({ queryKey: ['comparison', comparison.id] })
  }
  useResultKeys({ delivered, setView, setScale, scale, picks, setZoomed })
  return (
    <div class="results">
      <Toolbar
        {...{ comparison, parts, view, setView, scale, setScale, sort, setSort, isEqual, isPhone, onSameSeed }}
        isDense={parts.length >= DENSE_FROM}
      />
      {refused === null ? null : (
        <Note kind="red" alert>
          {refused}
        </Note>
      )}
      <Columns count={shown.length}>
        {shown.map((part) => (
          <Column
            key={part.provider}
            part={part}
            asked={asked}
            draw={draw}
            prompt={textOf(comparison.request['prompt'])}
            latency={model?.offers.find(({ provider }) => provider === part.provider)?.latency_ms ?? null}
            state={providers.find(({ id }) => id === part.provider)}
            isRunning={comparison.status === 'running'}
            isFastest={comparison.status !== 'running' && fastestOf(parts) === part}
            isDense={parts.length >= DENSE_FROM}
            isPicked={picks.picked === part.provider}
            onPick={() => picks.pick(part.provider)}
            onZoom={() => setZoomed(part.provider)}
            onCancel={() => void cancel(part)}
            onAgain={() => void buyAgain(part)}
          />
        ))}
      </Columns>
      {zoomed === null ? null : (
        <Zoom
          parts={delivered}
          provider={zoomed}
          prompt={textOf(comparison.request['prompt'])}
          onProvider={setZoomed}
          onClose={() => setZoomed(null)}
        />
      )}
    </div>
  )
}

function Columns({ count, children }: { readonly count: number; readonly children: preact.ComponentChildren }) {
  const element = useRef<HTMLDivElement>(null)
  const [width, setWidth] = useState(() => document.documentElement.clientWidth - 48)
  useEffect(() => {
    if (element.current === null) return
    const observer = new ResizeObserver(([entry]) => setWidth(entry?.contentRect.width ?? 0))
    observer.observe(element.current)
    return () => observer.disconnect()
  }, [])
  const columns = columnsFor(count, width)
  return (
    <div
      ref={element}
      class="columns"
      style={{ gridTemplateColumns: `repeat(${columns}, minmax(0, ${MOST_COLUMN}px))`, columnGap: `${GAP}px` }}
    >
      {children}
    </div>
  )
}

/** Far images and failures stay last, whatever the order. */
function sorted(parts: readonly Part[], sort: Sort): readonly Part[] {
  const rank = (part: Part) => (!isDelivered(part) ? 2 : isFar(part) ? 1 : 0)
  const by = (one: Part, other: Part): number => {
    if (sort === 'asked') return 0
    if (sort === 'time') return (one.row.total_ms ?? Number.MAX_VALUE) - (other.row.total_ms ?? Number.MAX_VALUE)
    if (one.row.amount === null || other.row.amount === null) return (one.row.amount === null ? 1 : 0) - (other.row.amount === null ? 1 : 0)
    return compareUsd(one.row.amount, other.row.amount)
  }
  return parts.toSorted((one, other) => (sort === 'asked' ? 0 : rank(one) - rank(other)) || by(one, other))
}

/** The one image that is liked best; kept in this browser. */
function usePick(id: string) {
  const [all, setAll] = useState(() => keptJson<Readonly<Record<string, string>>>('local', 'picks', {}))
  return {
    picked: all[id] ?? null,
    pick(provider: string) {
      const { [id]: before, ...others } = all
      const next = before === provider ? others : { ...others, [id]: provider }
      setAll(next)
      keep('local', 'picks', JSON.stringify(next))
    },
  }
}

interface ResultKeys {
  readonly delivered: readonly Part[]
  readonly setView: (view: View) => void
  readonly scale: 'same' | 'fit'
  readonly setScale: (scale: 'same' | 'fit') => void
  readonly picks: ReturnType<typeof usePick>
  readonly setZoomed: (provider: string | null) => void
}

function useResultKeys({ delivered, setView, scale, setScale, picks, setZoomed }: ResultKeys): void {
  const pickKeys = Object.fromEntries(delivered.slice(0, 9).map(({ provider }, at) => [String(at + 1), () => picks.pick(provider)]))
  useKeys({
    ...pickKeys,
    s: () => setView('side'),
    f: () => setScale(scale === 'same' ? 'fit' : 'same'),
    z: () => setZoomed(delivered[0]?.provider ?? null),
  })
}
