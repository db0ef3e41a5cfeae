import { useEffect, useState } from 'preact/hooks'
import type { ProviderState } from '../../client/index.ts'
import { duration } from '../format/facts.ts'
import { Icon, type IconName } from '../parts/icon.tsx'
import { Usd } from '../parts/usd.tsx'

/** Times to an image, over what is known of the provider's models. */
export interface Times {
  readonly p50: number
  readonly p95: number
  readonly samples: number
}

interface Shown {
  readonly word: string
  readonly colour: string
  readonly icon: IconName | readonly IconName[]
  readonly why: string
}

/** The state of a provider as a word, and why it is not simply ready. */
export function shownProvider(provider: ProviderState, now: number): Shown {
  const {
    state,
    breaker,
    reason,
    in_flight: inFlight,
    max_in_flight: most,
    waiting,
    failures_in_a_row: failures,
    next_try_at: nextTry,
  } = provider
  if (state === 'disabled') return { word: 'Off', colour: 'two', icon: ['ring', 'dash'], why: reason ?? '' }
  if (breaker === 'open') {
    const seconds = nextTry === null ? null : Math.max(0, Math.ceil((Date.parse(nextTry) - now) / 1_000))
    return {
      word: 'Resting',
      colour: 'bad',
      icon: ['ring', 'cross'],
      why: `${failures} failures in a row. ${seconds === null ? 'Tried again soon' : `Tried again in ${seconds} s`}; traffic goes elsewhere.`,
    }
  }
  if (breaker === 'half_open')
    return { word: 'Trying', colour: 'warn', icon: 'triangle', why: 'One request decides whether it takes traffic again.' }
  if (inFlight >= most)
    return { word: 'Ready, full', colour: 'warn', icon: 'triangle', why: `${inFlight} of ${most} slots in use, ${waiting} waiting.` }
  return { word: 'Ready', colour: 'ok', icon: ['ring', 'tick'], why: '' }
}

/** The rest stand in its title, and in the list of prices. */
const MODELS_SHOWN = 3

/** Half and 19 in 20 are said only of enough measurements. */
const LEAST_SAMPLES = 5
const SAMPLES_OF_TWENTY = 20

export function ProviderRow({
  provider,
  times,
  mostMs,
}: {
  readonly provider: ProviderState
  readonly times: Times | null
  readonly mostMs: number
}) {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000)
    return () => clearInterval(timer)
  }, [])
  const { title, models, in_flight: inFlight, max_in_flight: most, success_rate: rate, balance_usd: balance } = provider
  const { word, colour, icon, why } = shownProvider(provider, now)
  const isOn = provider.state === 'enabled'
  return (
    <tr>
      <td>
        <span class="medium">{title}</span>
        <span class="fine two models" title={models.join(', ')}>
          {models.slice(0, MODELS_SHOWN).join(', ')}
          {models.length > MODELS_SHOWN ? ` and ${models.length - MODELS_SHOWN} more` : ''}
        </span>
      </td>
      <td>
        <span class={`state ${colour}`}>
          <Icon name={icon} />
          {word}
        </span>
        {why === '' ? null : <span class="fine two why">{why}</span>}
      </td>
      <td class="num">
        {isOn ? (
          <>
            {inFlight} <span class="two">of {most}</span>
            <span class="slots">
              <span class={inFlight >= most ? 'full' : undefined} style={{ width: `${Math.min(100, (inFlight * 100) / most)}%` }} />
            </span>
          </>
        ) : null}
      </td>
      <td class="num">
        {!isOn ? '' : rate === null ? <span class="small two">none yet</span> : `${(rate * 100).toFixed(1).replace(/\.0$/, '')} %`}
      </td>
      <td class="range-cell">
        {times === null || times.samples < LEAST_SAMPLES ? isOn && NOT_YET : <Range times={times} mostMs={mostMs} />}
      </td>
      <td class="num two small">{times === null || times.samples < LEAST_SAMPLES ? '' : timesText(times)}</td>
      <td class="num">{isOn ? balance === null ? <span class="small two">not reported</span> : <Usd amount={balance} /> : null}</td>
    </tr>
  )
}

const NOT_YET = <span class="small two">not yet measured</span>

/** `4.1 to 8.2 s` */
const timesText = ({ p50, p95, samples }: Times): string => {
  const [half, most] = [duration(p50), duration(p95)]
  return samples < SAMPLES_OF_TWENTY ? half : `${most.includes('min') ? half : half.replace(/ s$/, '')} to ${most}`
}

/** A dot where half are done, a whisker to where 19 in 20 are. */
function Range({ times, mostMs }: { readonly times: Times; readonly mostMs: number }) {
  const at = (ms: number) => 4 + (ms * 192) / Math.max(1, mostMs)
  const [half, most] = [at(times.p50), at(times.p95)]
  return (
    <svg viewBox="0 0 200 16" class="range" role="img" aria-label={timesText(times)}>
      <path d="M0 13H200" stroke="var(--line)" />
      {times.samples < SAMPLES_OF_TWENTY ? null : <path d={`M${half} 6H${most}M${most} 2V10`} stroke="var(--ink)" stroke-width="1.500" />}
      <circle cx={half} cy="6" r="3.500" fill="var(--ink)" />
    </svg>
  )
}
