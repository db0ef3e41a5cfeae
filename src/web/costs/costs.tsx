import { useQuery } from '@tanstack/preact-query'
import { useMemo, useState } from 'preact/hooks'
import type { CostReport, PriceEntry } from '../../client/index.ts'
import { isZeroUsd } from '../../contract/amounts.ts'
import { percentText, usdText } from '../format/usd.ts'
import { plural } from '../format/facts.ts'
import { Icon } from '../parts/icon.tsx'
import { Problem } from '../parts/problem.tsx'
import { Unknown, Usd } from '../parts/usd.tsx'
import { Segments } from '../compare/toolbar.tsx'
import { client, forgetKey, saidBy, useCurrentKey, useTitles } from '../shell/gateway.ts'
import { navigate } from '../shell/router.ts'
import { DayChart } from './day-chart.tsx'
import { GatewayKeys } from './gateway-keys.tsx'
import { NothingSpent } from './nothing-spent.tsx'
import { dayOf, daysOf, periodOf, periodText, type Period, type Preset } from './period.ts'
import { Prices, unquotedOf, usePrices } from './prices.tsx'
import { daysOfChart, seriesOf, type Split } from './series.ts'
import { CostsTable, driftText, NOTHING_TO_COMPARE, WhatIfTable } from './tables.tsx'
import '../styles/costs.css'

const NOBODY: ReadonlySet<string> = new Set()
const NO_PRICES: readonly PriceEntry[] = []
const REFRESH_MS = 30_000
const SPLITS = [['provider', 'Provider'], ['model', 'Model'], ['key', 'Key']] as const // prettier-ignore
const PRESETS = [['7', '7 days'], ['30', '30 days'], ['month', 'This month'], ['other', 'Other']] as const // prettier-ignore

export function Costs({ query }: { readonly query: string }) {
  const period = useMemo(() => periodOf(query, new Date()), [query])
  const split = SPLITS.find(([name]) => name === new URLSearchParams(query).get('by'))?.[0] ?? 'provider'
  const ask = (groupBy: readonly string[]) => () => client().costs({ from: period.from, to: period.to, groupBy })
  const { data: report, error } = useQuery({
    queryKey: ['costs', period.from, period.to, split],
    queryFn: ask([split]),
    refetchInterval: REFRESH_MS,
  })
  const { data: byDay } = useQuery({
    queryKey: ['costs', period.from, period.to, 'day', split],
    queryFn: ask(['day', split]),
    refetchInterval: REFRESH_MS,
  })
  const unquoted = unquotedOf(usePrices() ?? NO_PRICES)
  const titles = useTitles()
  const name = (id: string) => (split === 'provider' ? titles(id) : id)
  const series = useMemo(() => seriesOf(report?.groups ?? [], split), [report, split])
  return (
    <main id="content" class="narrow costs">
      <div class="costs-head">
        <div>
          <p class="two">{periodText(period)}</p>
          <h1 class="hidden">Costs</h1>
          {report === undefined ? <p class="figure">&nbsp;</p> : <Figure report={report} />}
          <KeyLine />
        </div>
        <Controls period={period} split={split} />
      </div>
      <Problem error={error} />
      {report !== undefined && report.total.generations === 0 ? (
        <NothingSpent />
      ) : (
        <>
          <DayChart
            days={daysOfChart(daysOf(period), byDay?.groups ?? [], series, split)}
            series={series}
            titles={name}
            today={dayOf(new Date())}
          />
          {report === undefined ? null : (
            <>
              <CostsTable
                rows={series}
                total={report.total}
                name={name}
                heading={SPLITS.find(([one]) => one === split)?.[1] ?? ''}
                unquoted={split === 'provider' ? unquoted : NOBODY}
              />
              {report.total.images === 0 ? null : <WhatIfTable rows={report.what_if} total={report.total.images} name={titles} />}
            </>
          )}
        </>
      )}
      <Prices name={titles} />
      <GatewayKeys budgets={report?.budgets ?? []} />
    </main>
  )
}

/** The key of this tab, where it was opened with one, and what it may still spend where it has a budget. */
function KeyLine() {
  const current = useCurrentKey()
  if (current === undefined || current.name === null) return null
  const { budget, name } = current
  return (
    <>
      {budget === null ? null : (
        <p class="two">
          Budget of {budget.key}: <Usd amount={budget.left} /> of <Usd amount={budget.limit} />{' '}
          {budget.period === 'total' ? 'left in all' : `left this ${budget.period}`}
        </p>
      )}
      <p class="small two">
        Opened with the key {name}.{' '}
        <button type="button" class="link" onClick={forgetKey}>
          Use another
        </button>
      </p>
    </>
  )
}

function Figure({ report }: { readonly report: CostReport }) {
  const { spend, unknown_cost_generations: unknown } = report.total
  return (
    <>
      <p class="figure-line">
        <span class="figure">
          <Usd amount={spend} />
        </span>
        {unknown === 0 ? null : (
          <a class="unknown" href="/generations?cost=unknown">
            + {unknown} of unknown cost
          </a>
        )}
      </p>
      {report.total.generations === 0 ? null : <Sentences total={report.total} />}
    </>
  )
}

function Sentences({ total: { images, cost_per_image: each, wasted, drift } }: { readonly total: CostReport['total'] }) {
  const bought = images === 0 ? 'No image' : `${plural(images, 'image')}${each === null ? '' : `, ${usdText(each)} each`}`
  const billed = images === 0 && drift.percent === null ? '' : ` ${billedText(drift.percent)}`
  return (
    <p class="small two">
      {`${bought}. ${isZeroUsd(wasted.amount) ? 'Nothing' : usdText(wasted.amount)} wasted on failures and refusals`}
      {isZeroUsd(wasted.unknown) ? null : (
        <>
          ,{' '}
          <Unknown why="Quoted for what brought no image and whose cost is not known.">{`perhaps ${usdText(wasted.unknown)} more`}</Unknown>
        </>
      )}
      {`.${billed}`}
    </p>
  )
}

function billedText(percent: string | null): string {
  const against = driftText(percent)
  if (against === NOTHING_TO_COMPARE) return 'No bill to compare with a quote.'
  if (against === 'as quoted') return 'Billed as quoted.'
  return `Billed ${percentText(percent ?? '').slice(1)} ${percent?.startsWith('-') ? 'below' : 'above'} quoted.`
}

function Controls({ period, split }: { readonly period: Period; readonly split: Split }) {
  const [asksDays, setAsksDays] = useState(period.preset === 'other')
  const [said, setSaid] = useState('')
  const go = (days: string, by: Split) =>
    navigate(`/costs?${[days, by === 'provider' ? '' : `by=${by}`].filter((part) => part !== '').join('&')}`.replace(/\?$/, ''), 'replace')
  const days = (preset: Preset) => (preset === 'other' ? `from=${period.from}&to=${period.to}` : preset === 'month' ? '' : `days=${preset}`)
  const change = (preset: Preset) => {
    setAsksDays(preset === 'other')
    go(days(preset), split)
  }
  const save = async () => {
    try {
      const csv = await client().costsAsCsv({ from: period.from, to: period.to })
      const address = URL.createObjectURL(new Blob([csv], { type: 'text/csv' }))
      Object.assign(document.createElement('a'), { href: address, download: `imagegate-costs-${period.from}-${period.to}.csv` }).click()
      setTimeout(() => URL.revokeObjectURL(address), REFRESH_MS)
    } catch (error) {
      setSaid(saidBy(error))
    }
  }
  return (
    <div class="costs-controls">
      <Segments label="Period" value={period.preset} choices={PRESETS} onValue={change} />
      <Segments label="Split by" value={split} choices={SPLITS} onValue={(by) => go(days(period.preset), by)} />
      <button type="button" class="button compact" onClick={() => void save()}>
        <Icon name="save" />
        CSV
      </button>
      {asksDays ? (
        <span class="days small">
          {(['from', 'to'] as const).map((end) => (
            <label key={end}>
              {end === 'from' ? 'From' : 'To'}{' '}
              <input
                class="control"
                type="date"
                value={period[end]}
                onChange={(event) => {
                  const day = event.currentTarget.value
                  if (day === '') return
                  // The other end goes along where it would be on the wrong side.
                  const [from, to] = end === 'from' ? [day, period.to] : [period.from, day]
                  go(from <= to ? `from=${from}&to=${to}` : `from=${day}&to=${day}`, split)
                }}
              />
            </label>
          ))}
          UTC
        </span>
      ) : null}
      <span class="small bad" role="status">
        {said}
      </span>
    </div>
  )
}
