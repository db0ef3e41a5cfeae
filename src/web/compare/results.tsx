import { useMemo, useState } from 'preact/hooks'
import type { Comparison, Model } from '../../client/index.ts'
import { compareUsd } from '../../contract/amounts.ts'
import { textOf } from '../format/text.ts'
import { Note } from '../parts/note.tsx'
import { useProviders } from '../shell/gateway.ts'
import { useKeys } from '../shell/keys.ts'
import { useIsPhone } from '../shell/media.ts'
import { BlindVote } from './blind-vote.tsx'
import { useBuying } from './buying.ts'
import { useEndings } from './follow.ts'
import { fitted, sameScale } from './layout.ts'
import { askedSize, isComparable, isDelivered, isFar, partsOf, type Part } from './part.ts'
import { usePick } from './pick.ts'
import { SideBySide } from './side-by-side.tsx'
import { Toolbar, type Sort, type View } from './toolbar.tsx'
import { Wipe } from './wipe.tsx'
import { Zoom } from './zoom.tsx'

const DENSE_FROM = 7

interface ResultsProps {
  readonly comparison: Comparison
  readonly model: Model | undefined
  readonly isBlind: boolean
  readonly onBlind: (isBlind: boolean) => void
  /** Both are null while nothing can be asked. */
  readonly onSameSeed: (() => void) | null
  readonly onNewSeed: (() => void) | null
}

/** A comparison: what each delivered, at one scale, with its receipt. */
export function Results({ comparison, model, isBlind, onBlind, onSameSeed, onNewSeed }: ResultsProps) {
  const { providers } = useProviders()
  const buying = useBuying(comparison)
  const { again, refused } = buying
  const parts = useMemo(
    () => partsOf(comparison, (id) => providers.find((one) => one.id === id)?.title ?? id, again),
    [comparison, providers, again],
  )
  useEndings(comparison, parts, isBlind)
  const [seen, setSeen] = useState<Exclude<View, 'blind'>>('side')
  const view: View = isBlind ? 'blind' : seen
  const setView = (next: View) => {
    onBlind(next === 'blind')
    if (next !== 'blind') setSeen(next)
  }
  const [scale, setScale] = useState<'same' | 'fit'>('same')
  const [sort, setSort] = useState<Sort>('price')
  const [zoomed, setZoomed] = useState<{ readonly provider: string; readonly at: number } | null>(null)
  const zoom = (provider: string, at = 0) => setZoomed({ provider, at })
  const picks = usePick(comparison)
  const isPhone = useIsPhone()
  const asked = askedSize(comparison, parts)
  const prompt = textOf(comparison.request['prompt'])
  const sizes = parts.flatMap(({ images }) =>
    images.flatMap(({ width, height }) => (width === null || height === null ? [] : [{ width, height }])),
  )
  const isEqual = sizes.every(({ width, height }) => width === sizes[0]?.width && height === sizes[0].height)
  const draw = scale === 'same' ? sameScale(asked, sizes) : fitted(asked)
  const isDense = parts.length >= DENSE_FROM
  const delivered = parts.filter(isDelivered)
  const shown = delivered.length < 2 && (view === 'wipe' || view === 'flip') ? 'side' : view
  useResultKeys({ delivered, setView, setScale, scale, picks, zoom, isOn: shown !== 'blind' })
  if (shown === 'blind')
    return <BlindVote comparison={comparison} parts={parts} prompt={prompt} onLeave={() => setView('side')} onNewSeed={onNewSeed} />
  return (
    <div class="results">
      <Toolbar
        {...{ comparison, parts, setView, scale, setScale, sort, setSort, isEqual, isDense, isPhone, onSameSeed }}
        view={shown}
        canBlind={parts.filter(isComparable).length > 1 || comparison.status === 'running'}
        canWipe={delivered.length > 1}
      />
      {refused === null ? null : (
        <Note kind="red" alert>
          {refused}
        </Note>
      )}
      {shown === 'side' ? (
        <SideBySide
          {...{ comparison, model, providers, asked, draw, isDense, picks, buying }}
          parts={isDense ? sorted(parts, sort) : parts}
          onZoom={zoom}
        />
      ) : (
        <Wipe parts={delivered} flips={shown === 'flip'} asked={asked} draw={draw} prompt={prompt} onZoom={zoom} />
      )}
      {zoomed === null ? null : (
        <Zoom
          parts={delivered}
          {...zoomed}
          prompt={prompt}
          onProvider={(provider) => setZoomed({ ...zoomed, provider })}
          onClose={() => setZoomed(null)}
        />
      )}
    </div>
  )
}

/** Far images and failures stay last, whatever the order. */
function sorted(parts: readonly Part[], sort: Sort): readonly Part[] {
  const rank = (part: Part) => (!isDelivered(part) ? 2 : isFar(part) ? 1 : 0)
  const by = (one: Part, other: Part): number => {
    if (sort === 'time') return (one.row.total_ms ?? Number.MAX_VALUE) - (other.row.total_ms ?? Number.MAX_VALUE)
    if (one.row.amount === null || other.row.amount === null) return (one.row.amount === null ? 1 : 0) - (other.row.amount === null ? 1 : 0)
    return compareUsd(one.row.amount, other.row.amount)
  }
  return parts.toSorted((one, other) => rank(one) - rank(other) || (sort === 'asked' ? 0 : by(one, other)))
}

interface ResultKeys {
  readonly delivered: readonly Part[]
  readonly setView: (view: View) => void
  readonly scale: 'same' | 'fit'
  readonly setScale: (scale: 'same' | 'fit') => void
  readonly picks: ReturnType<typeof usePick>
  readonly zoom: (provider: string) => void
  readonly isOn: boolean
}

function useResultKeys({ delivered, setView, scale, setScale, picks, zoom, isOn }: ResultKeys): void {
  const pickKeys = Object.fromEntries(delivered.slice(0, 9).map(({ provider }, at) => [String(at + 1), () => picks.pick(provider)]))
  const [first] = delivered
  const { picked, pick } = picks
  const keys = {
    ...pickKeys,
    s: () => setView('side'),
    w: () => setView('wipe'),
    f: () => setScale(scale === 'same' ? 'fit' : 'same'),
    z: first === undefined ? undefined : () => zoom(first.provider),
    0: picked === null ? undefined : () => pick(picked),
  }
  useKeys(isOn ? keys : {})
}
