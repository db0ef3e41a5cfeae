import '../styles/base.css'
import '../styles/shell.css'
import './sheet.css'
import { QueryClientProvider } from '@tanstack/preact-query'
import { render, type ComponentChildren } from 'preact'
import { NothingSpent } from '../costs/nothing-spent.tsx'
import { overBudget } from '../compare/refusal.ts'
import { Refused } from '../compare/refused.tsx'
import { billedText } from '../parts/billed-text.ts'
import { Fidelity } from '../parts/fidelity.tsx'
import { NothingYet } from '../parts/nothing-yet.tsx'
import { State } from '../parts/state.tsx'
import { NoPrice, Unknown, Usd } from '../parts/usd.tsx'
import { GatewayKey } from '../shell/gateway-key.tsx'
import { queries } from '../shell/gateway.ts'
import { Away } from '../shell/offline.tsx'
import { ShortcutList } from '../shell/shortcuts.tsx'

/** What the pages say of states, money and trouble, from their own parts: for a screenshot beside the design and for a test. It is in no page. */
const cost = (amount: string | null, quoted: string | null) =>
  ({ cost: { amount, quoted }, error: null }) as Parameters<typeof billedText>[0]
const budget = { key: 'team-a', used: '49.965', limit: '50', period: 'month', left: '0.035', renews_at: null } as const

const MONEY: readonly (readonly [string, ComponentChildren])[] = [
  ['Exact, never rounded', <Usd key="a" amount="1284.0735" />],
  ['Below a dollar', <Usd key="b" amount="0.0285" />],
  ['Nothing to pay, and known', <Usd key="c" amount="0" />],
  ['Not known', <Usd key="d" amount={null} />],
  [
    'A sum with unknowns',
    <>
      <Usd key="e" amount="122.916" /> <Unknown why="The providers did not say what they cost.">+ 3 unknown</Unknown>
    </>,
  ],
  ['No price published', <NoPrice key="f" />],
  ['Not billed', <b key="g">{billedText(cost('0', '0.045'))}</b>],
  ['Billed though refused', <b key="h">{billedText(cost('0.03', '0.03'))}</b>],
  ['Nobody said', <b key="i">{billedText(cost(null, '0.045'))}</b>],
]

function Sheet() {
  return (
    <main class="sheet">
      <h1 class="hidden">States, money, notes and empty pages</h1>
      <h2 class="head">States</h2>
      <p class="sheet-line">
        {(['queued', 'running', 'succeeded', 'failed', 'moderated', 'outcome_unknown', 'canceled', 'ineligible'] as const).map((shown) => (
          <State key={shown} shown={shown} />
        ))}
        <State shown="part" word="3 of 4 images" />
      </p>
      <h2 class="head">Money</h2>
      <dl class="sheet-money">{MONEY.map(([what, shown]) => [<dt key={what}>{what}</dt>, <dd key={`${what} shown`}>{shown}</dd>])}</dl>
      <h2 class="head">As asked?</h2>
      <p class="sheet-line">
        {(['exact', 'near', 'far', null] as const).map((one) => (
          <Fidelity key={one} of={one} />
        ))}
      </p>
      <div class="sheet-notes">
        <Away since={new Date(2026, 10, 28, 10, 41, 7)} secondsLeft={4} onTry={() => {}} />
        <Refused {...overBudget(budget, '0.045', new Date('2026-11-28'))} />
        <Refused kind="amber" head="The provider changed its price." text="Quoted $0.0450, now $0.0480. Compare again to agree." />
      </div>
      <h2 class="head">Nothing yet</h2>
      <div class="sheet-cards">
        <NothingYet />
        <NothingSpent />
        <GatewayKey wrong={false} />
        <section class="card empty">
          <h2>Keys</h2>
          <ShortcutList />
        </section>
      </div>
    </main>
  )
}

const page = document.getElementById('page')
if (page !== null)
  render(
    <QueryClientProvider client={queries}>
      <Sheet />
    </QueryClientProvider>,
    page,
  )
