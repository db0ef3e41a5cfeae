import { useQueries } from '@tanstack/preact-query'
import type { ProviderState } from '../../client/index.ts'
import { duration } from '../format/facts.ts'
import { client } from '../shell/gateway.ts'

const HOUR_MS = 3_600_000
const HOURS = 48
const REFRESH_MS = 60_000
const SAMPLES_OF_TWENTY = 20
const [WIDTH, HEIGHT] = [300, 74]

type History = Awaited<ReturnType<ReturnType<typeof client>['providerHistory']>>

/** An hour with a measured time; x from 0, two days ago, to 1, now. */
interface Point {
  readonly x: number
  readonly p50: number
  /** Null of too few measurements to be 19 in 20 of anything. */
  readonly p95: number | null
}

/** Times to an image over two days, one provider each, all on one scale. Providers that made nothing have no chart. */
export function TimeCharts({ providers }: { readonly providers: readonly ProviderState[] }) {
  const hour = Math.floor(Date.now() / HOUR_MS)
  const from = new Date((hour - HOURS + 1) * HOUR_MS).toISOString()
  const results = useQueries({
    queries: providers.map(({ id }) => ({
      queryKey: ['history', id, hour],
      queryFn: () => client().providerHistory(id, { from }),
      refetchInterval: REFRESH_MS,
    })),
  })
  const charts = providers.flatMap(({ id, title }, at) => {
    const points = pointsOf(results[at]?.data, Date.parse(from))
    return points.length === 0 ? [] : [{ id, title, points }]
  })
  if (charts.length === 0) return null
  const most = Math.max(1_000, ...charts.flatMap(({ points }) => points.map(({ p50, p95 }) => p95 ?? p50)))
  const top = Math.ceil(most / 2_000) * 2_000
  return (
    <section>
      <h2 class="head">Time to image</h2>
      <p class="small two">Each hour of the last two days: half of the images (line), 19 in 20 (dashed).</p>
      <div class="time-charts">
        {charts.map(({ id, title, points }) => (
          <Chart key={id} title={title} points={points} top={top} />
        ))}
      </div>
    </section>
  )
}

function pointsOf(history: History | undefined, from: number): readonly Point[] {
  return (history?.data ?? []).flatMap(({ starts_at: startsAt, latency_ms: latency }) =>
    latency === null
      ? []
      : [
          {
            x: (Date.parse(startsAt) - from) / ((HOURS - 1) * HOUR_MS),
            p50: latency.p50,
            p95: latency.samples < SAMPLES_OF_TWENTY ? null : latency.p95,
          },
        ],
  )
}

const NOWHERE = { p50: 0, p95: null }
/** Of the height of a chart: so far apart are two lines of text, and so far from its lower end is the lowest. */
const [APART, LOWEST] = [22, 90]

/** Where the last values stand, in percents from above: beside their points, and not over one another. */
function labelsOf({ p50, p95 }: Point, top: number): { readonly p50: number; readonly p95: number | null } {
  const at = (ms: number) => Math.min(LOWEST, 100 - (ms * 100) / top)
  const half = at(p50)
  if (p95 === null) return { p50: half, p95: null }
  const most = at(p95)
  const missing = Math.max(0, APART - (half - most))
  const lower = Math.min(LOWEST, half + missing / 2)
  return { p50: lower, p95: Math.min(most, lower - APART) }
}

function Chart({ title, points, top }: { readonly title: string; readonly points: readonly Point[]; readonly top: number }) {
  const last = points.at(-1)
  const at = (x: number, ms: number) => `${(x * WIDTH).toFixed(1)} ${(HEIGHT - (ms * HEIGHT) / top).toFixed(1)}`
  const path = (value: (point: Point) => number) => `M${points.map((point) => at(point.x, value(point))).join('L')}`
  const back = points.toReversed().map((point) => at(point.x, point.p50))
  const isLine = points.length > 1
  const heights = last === undefined ? NOWHERE : labelsOf(last, top)
  return (
    <figure class="time-chart">
      <figcaption class="medium">{title}</figcaption>
      <div class="time-plot">
        <span class="fine three num axis">
          <span>{duration(top)}</span>
          <span style={{ top: '50%' }}>{duration(top / 2)}</span>
        </span>
        <svg
          viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
          role="img"
          aria-label={
            last === undefined
              ? title
              : `${title}: ${duration(last.p50)} half${last.p95 === null ? '' : `, ${duration(last.p95)} for 19 in 20`}, in the last hour measured`
          }
        >
          <path d={`M0 .500H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}M0 ${HEIGHT - 0.5}H${WIDTH}`} stroke="var(--line)" />
          {isLine ? (
            <path d={`${path(({ p50, p95 }) => p95 ?? p50)}L${back.join('L')}Z`} fill="var(--accent)" fill-opacity="0.120" />
          ) : null}
          {isLine ? <path d={path(({ p50, p95 }) => p95 ?? p50)} fill="none" stroke="var(--accent)" stroke-dasharray="3 2.500" /> : null}
          {isLine ? <path d={path(({ p50 }) => p50)} fill="none" stroke="var(--accent)" stroke-width="1.800" /> : null}
          {isLine
            ? null
            : points.map((point) => (
                <circle
                  key={point.x}
                  cx={Math.min(WIDTH - 3, point.x * WIDTH)}
                  cy={HEIGHT - (point.p50 * HEIGHT) / top}
                  r="2.500"
                  fill="var(--accent)"
                />
              ))}
        </svg>
        {last === undefined ? null : (
          <span class="fine num last">
            {heights.p95 === null || last.p95 === null ? null : (
              <span class="two" style={{ top: `${heights.p95}%` }}>{`${duration(last.p95)} 95 %`}</span>
            )}
            <span style={{ top: `${heights.p50}%` }}>{`${duration(last.p50)} half`}</span>
          </span>
        )}
        <span class="fine three ends">
          <span>2 days ago</span>
          <span>now</span>
        </span>
      </div>
    </figure>
  )
}
