import type { PriceEntry } from '#contract'
import type { Verb } from './verb.ts'
import { withGateway, type ConnectOptions } from './connect.ts'
import { priceInWords } from './models.ts'
import { gatewayCommand } from './options.ts'
import { table } from './table.ts'

interface PricesOptions extends ConnectOptions {
  readonly model?: string
  readonly provider?: string
  readonly json?: boolean
}

export const pricesVerb: Verb = (terminal, finish) =>
  gatewayCommand('prices', 'what every offer costs, since when, and where that stands')
    .option('--model <model>', 'only this model')
    .option('--provider <id>', 'only this provider')
    .action((options: PricesOptions) =>
      finish(
        withGateway(options, terminal, async ({ client }) => {
          const prices = (await client.prices()).filter(
            ({ model, provider }) => (options.model ?? model) === model && (options.provider ?? provider) === provider,
          )
          terminal.out(options.json ? JSON.stringify(prices, null, 2) : priceTable(prices))
          return prices.length > 0 ? 0 : 1
        }),
      ),
    )

const priceTable = (prices: readonly PriceEntry[]): string =>
  prices.length === 0
    ? 'No offer fits.'
    : table(
        ['model', 'provider', 'price in USD', 'source'],
        prices.map(({ model, provider, price, surcharge_percent: surcharge, source_url: source }) => [
          model,
          provider,
          priceInWords(price, surcharge),
          source ?? '–',
        ]),
      )
