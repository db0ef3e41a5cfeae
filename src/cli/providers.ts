import type { ProviderState } from '../client/client.ts'
import type { Verb } from './verb.ts'
import { withGateway, type ConnectOptions } from './connect.ts'
import { gatewayCommand } from './options.ts'
import { table } from './table.ts'

export const providersVerb: Verb = (terminal, finish) =>
  gatewayCommand('providers', 'which providers are in use, how busy and how healthy they are').action(
    (options: ConnectOptions & { json?: boolean }) =>
      finish(
        withGateway(options, terminal, async ({ client }) => {
          const providers = await client.providers()
          terminal.out(options.json ? JSON.stringify(providers, null, 2) : providerTable(providers))
          return 0
        }),
      ),
  )

function providerTable(providers: readonly ProviderState[]): string {
  const rows = providers.map((provider) => [
    provider.id,
    provider.title,
    `${provider.state}${provider.sandbox ? ' (sandbox)' : ''}`,
    `${provider.in_flight}/${provider.max_in_flight}`,
    breakerInWords(provider),
    provider.success_rate === null ? '–' : `${Math.round(provider.success_rate * 100)} %`,
    provider.balance_usd === null ? '–' : `$${provider.balance_usd}`,
    provider.reason ?? '',
  ])
  return table(['provider', 'title', 'state', 'in flight', 'breaker', 'success', 'balance', 'reason'], rows)
}

function breakerInWords({ breaker, failures_in_a_row: failures, next_try_at: nextTry }: ProviderState): string {
  const details = [...(failures > 0 ? [`${failures} failed in a row`] : []), ...(nextTry ? [`next try ${nextTry}`] : [])]
  return details.length === 0 ? breaker : `${breaker} (${details.join(', ')})`
}
