import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Comparison, Model, ProviderState } from '../../client/index.ts'
import { textOf } from '../format/text.ts'
import type { useBuying } from './buying.ts'
import { Column } from './column.tsx'
import { columnsFor, GAP, MOST_COLUMN, type Drawn, type Size } from './layout.ts'
import { cheapestOf, fastestOf, type Part } from './part.ts'
import type { usePick } from './pick.ts'

interface SideBySideProps {
  readonly comparison: Comparison
  readonly parts: readonly Part[]
  readonly model: Model | undefined
  readonly providers: readonly ProviderState[]
  readonly asked: Size
  readonly draw: (size: Size) => Drawn
  readonly isDense: boolean
  readonly picks: ReturnType<typeof usePick>
  readonly buying: ReturnType<typeof useBuying>
  readonly onZoom: (provider: string, at: number) => void
}

/** A column for each provider. */
export function SideBySide({ comparison, parts, model, providers, asked, draw, isDense, picks, buying, onZoom }: SideBySideProps) {
  const isRunning = comparison.status === 'running'
  const fastest = isRunning ? undefined : fastestOf(parts)
  const cheapest = cheapestOf(parts)
  return (
    <Columns count={parts.length}>
      {parts.map((part) => (
        <Column
          key={part.provider}
          part={part}
          asked={asked}
          draw={draw}
          prompt={textOf(comparison.request['prompt'])}
          latency={model?.offers.find(({ provider }) => provider === part.provider)?.latency_ms ?? null}
          state={providers.find(({ id }) => id === part.provider)}
          isRunning={isRunning}
          isFastest={fastest?.provider === part.provider}
          cheapest={cheapest}
          isDense={isDense}
          isPicked={picks.picked === part.provider}
          onPick={() => picks.pick(part.provider)}
          onZoom={(at) => onZoom(part.provider, at)}
          onCancel={() => void buying.cancel(part)}
          onAgain={() => void buying.buyAgain(part)}
        />
      ))}
    </Columns>
  )
}

/** As many columns as fit, of one width. */
export function Columns({ count, children }: { readonly count: number; readonly children: ComponentChildren }) {
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
