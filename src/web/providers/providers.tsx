import { useQuery } from '@tanstack/preact-query'
import type { Model, ProviderState } from '../../client/index.ts'
import { client, useTitles } from '../shell/gateway.ts'
import { DryRun } from './dry-run.tsx'
import { ProviderRow, type Times } from './provider-row.tsx'
import { TimeCharts } from './time-charts.tsx'
import '../styles/costs.css'
import '../styles/providers.css'

const EVERY_MS = 3_000
const NO_MODELS: readonly Model[] = []

/** Every provider as it is now, and where a request would go. */
export function Providers() {
  const providers = useQuery({ queryKey: ['providers'], queryFn: () => client().providers(), refetchInterval: EVERY_MS })
  const models = useQuery({ queryKey: ['models'], queryFn: () => client().models(), refetchInterval: 10 * EVERY_MS }).data ?? NO_MODELS
  const titles = useTitles()
  const rows = (providers.data ?? []).map((provider) => ({ provider, times: timesOf(provider, models) }))
  const mostMs = Math.max(1, ...rows.map(({ times }) => times?.p95 ?? 0))
  return (
    <main id="content" class="narrow providers">
      <div class="page-head">
        <h1 class="title">Providers</h1>
        <span class="small two">Times are from submit to stored image, of each provider’s most used model.</span>
      </div>
      <div class="card scrolls" tabIndex={0} role="region" aria-label="Providers in full">
        <table class="plain-table providers-table" aria-label="Providers" aria-busy={providers.isPending}>
          <thead>
            <tr>
              <th scope="col">Provider</th>
              <th scope="col">State</th>
              <th scope="col" class="num">
                In flight
              </th>
              <th scope="col" class="num">
                Succeeded
              </th>
              <th scope="col" colSpan={2}>
                Time to image: half, and 19 in 20
              </th>
              <th scope="col" class="num">
                Balance
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ provider, times }) => (
              <ProviderRow key={provider.id} provider={provider} times={times} mostMs={mostMs} />
            ))}
          </tbody>
        </table>
      </div>
      <div class="providers-grid">
        <div class="providers-left">
          <TimeCharts providers={providers.data ?? []} />
          <HowToAddAKey providers={providers.data ?? []} />
        </div>
        <DryRun models={models} titles={titles} />
      </div>
    </main>
  )
}

/** The times of the provider's offer that was measured most. */
function timesOf({ id }: ProviderState, models: readonly Model[]): Times | null {
  const measured = models.flatMap(({ offers }) =>
    offers.filter(({ provider }) => provider === id).flatMap(({ latency_ms: latency }) => (latency === null ? [] : [latency])),
  )
  return measured.toSorted((one, other) => other.samples - one.samples)[0] ?? null
}

/** What to do where no vendor key is set, or another is wanted. */
function HowToAddAKey({ providers }: { readonly providers: readonly ProviderState[] }) {
  const isSandbox = providers.some(({ sandbox }) => sandbox)
  return (
    <section id="keys" class="add-key small two">
      <h2 class="head ink">Add a key</h2>
      <p>Stop the gateway, put a vendor’s key into its environment, and start it again:</p>
      <code class="command">RUNWARE_API_KEY=… npm start</code>
      <p>
        Each provider has a variable of its own; a provider that is off names its own above.{' '}
        {isSandbox
          ? 'With one key set, that provider is real and the others are off: real and emulated are never mixed, and nothing of the sandbox is counted.'
          : ''}
      </p>
    </section>
  )
}
