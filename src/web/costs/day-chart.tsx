import { useState } from 'preact/hooks'
import { usdForGraph } from '../../contract/amounts.ts'
import { dayText } from '../format/facts.ts'
import { usdText } from '../format/usd.ts'
import { Unknown, Usd } from '../parts/usd.tsx'
import { useIsPhone } from '../shell/media.ts'
import { axisLabel, axisOf, OTHERS, type Day, type Series } from './series.ts'

const HEIGHT = 132
const LEFT = 36
const BAR_SHARE = 0.68
const UNKNOWN_HEIGHT = 9
const PHONE_DAYS = 14

interface ChartProps {
  readonly days: readonly Day[]
  readonly series: readonly Series[]
  readonly titles: (id: string) => string
  readonly today: string
}

/** What was spent on each day, stacked; what is not known stands on top, hatched, and in no sum. */
export function DayChart({ days: all, series, titles, today }: ChartProps) {
  const [asTable, setAsTable] = useState(false)
  const isPhone = useIsPhone()
  const days = isPhone ? all.slice(-PHONE_DAYS) : all
  const hasUnknown = days.some(({ unknown }) => unknown > 0)
  const hasOthers = days.some(({ parts }) => parts.some((part) => part.series.id === OTHERS))
  const shown = [...series.slice(0, 5), ...(hasOthers ? [{ id: OTHERS, colour: 'var(--s6)' }] : [])]
  const name = (id: string) => (id === OTHERS ? OTHERS : titles(id) || '(none)')
  return (
    <section class="card chart-card">
      <div class="chart-head">
        <h2 class="head">A day</h2>
        <ul class="legend small two">
          {shown.map(({ id, colour }) => (
            <li key={id}>
              <span class="swatch" style={{ background: colour }} />
              {name(id)}
            </li>
          ))}
          {hasUnknown ? (
            <li>
              <span class="swatch hatched edged" />
              cost unknown
            </li>
          ) : null}
        </ul>
        <button type="button" class="button compact" aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>
          Table
        </button>
      </div>
      {asTable ? <DayTable days={days} name={name} /> : <Bars days={days} name={name} today={today} />}
    </section>
  )
}

interface BarsProps {
  readonly days: readonly Day[]
  readonly name: (id: string) => string
  readonly today: string
}

function Bars({ days, name, today }: BarsProps) {
  const [at, setAt] = useState<number | null>(null)
  const { top, lines } = axisOf(Math.max(0, ...days.map(({ sum }) => usdForGraph(sum))))
  const chosen = at === null ? undefined : days[at]
  const move = (event: KeyboardEvent) => {
    const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0
    if (by === 0) return
    event.preventDefault()
    setAt(Math.min(days.length - 1, Math.max(0, (at ?? days.length - 1) + (at === null ? 0 : by))))
  }
  return (
    <div
      class="bars"
      tabIndex={0}
      role="group"
      aria-label="What was spent on each day; left and right show one day"
      onKeyDown={move}
      onPointerLeave={() => setAt(null)}
      onBlur={() => setAt(null)}
    >
      <div class="plot" style={{ height: `${HEIGHT + 14}px`, marginLeft: `${LEFT}px` }}>
        {lines.map((line) => (
          <span key={line} class="grid-line" style={{ bottom: `${(line / top) * HEIGHT}px` }}>
            <span class="fine three num" style={{ left: `-${LEFT}px`, width: `${LEFT - 8}px` }}>
              {axisLabel(line)}
            </span>
          </span>
        ))}
        <div class="stacks">
          {days.map((day, index) => (
            <span key={day.day} class={`stack${index === at ? ' chosen' : ''}`} onPointerEnter={() => setAt(index)}>
              {day.unknown === 0 ? null : (
                <>
                  <span class="fine two num">{`+${day.unknown}?`}</span>
                  <span class="unknown-box hatched" style={{ width: `${BAR_SHARE * 100}%`, height: `${UNKNOWN_HEIGHT}px` }} />
                </>
              )}
              {day.parts.toReversed().map(({ series, amount }) => (
                <span
                  key={series.id}
                  class="bar"
                  style={{ width: `${BAR_SHARE * 100}%`, height: `${(usdForGraph(amount) / top) * HEIGHT}px`, background: series.colour }}
                />
              ))}
            </span>
          ))}
        </div>
      </div>
      <div class="day-labels fine three" style={{ marginLeft: `${LEFT}px` }}>
        {days.map(({ day }, index) => (
          <span key={day}>{day === today ? 'today' : index % 7 === 0 && days.length - index > 3 ? dayText(day) : ''}</span>
        ))}
      </div>
      {chosen === undefined ? null : (
        <div class={`day-facts card small${(at ?? 0) * 2 < days.length ? '' : ' left'}`} role="status">
          <b>{dayText(chosen.day)}, UTC</b>
          {chosen.parts.map(({ series, amount }) => (
            <span key={series.id} class="line">
              <span>{name(series.id)}</span>
              <Usd amount={amount} />
            </span>
          ))}
          <span class="line strong">
            <span>All</span>
            <Usd amount={chosen.sum} />
          </span>
          {chosen.unknown === 0 ? null : <span class="two">{`+ ${chosen.unknown} of unknown cost`}</span>}
        </div>
      )}
    </div>
  )
}

const DayTable = ({ days, name }: { readonly days: readonly Day[]; readonly name: (id: string) => string }) => (
  <div class="scrolls" tabIndex={0} role="region" aria-label="A day, as a table">
    <table class="plain-table" aria-label="A day">
      <thead>
        <tr>
          <th scope="col">Day (UTC)</th>
          <th scope="col">Of it</th>
          <th scope="col" class="num">
            Spent
          </th>
          <th scope="col" class="num">
            Cost unknown
          </th>
        </tr>
      </thead>
      <tbody>
        {days.map(({ day, parts, sum, unknown }) => (
          <tr key={day}>
            <td>{dayText(day)}</td>
            <td class="small two">{parts.map(({ series, amount }) => `${name(series.id)} ${usdText(amount)}`).join(', ')}</td>
            <td class="num">
              <Usd amount={sum} />
            </td>
            <td class="num">{unknown === 0 ? '' : <Unknown why="The providers did not say what they cost.">{`+ ${unknown}`}</Unknown>}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </div>
)
