import { Argument } from 'commander'
import type { PriceEntry } from '#contract'
import { isTrouble, type CheckedPrice } from '../core/prices/check-prices.ts'
import type { Verb } from './verb.ts'
import { environmentOf, withGateway, type ConnectOptions } from './connect.ts'
import { priceInWords } from './models.ts'
import { gatewayCommand } from './options.ts'
import { checkPublishedPrices } from './start-gateway.ts'
import { table } from './table.ts'
import type { Terminal } from './terminal.ts'

interface PricesOptions extends ConnectOptions {
  readonly model?: string
  readonly provider?: string
  readonly json?: boolean
}

export const pricesVerb: Verb = (terminal, finish) =>
  gatewayCommand('prices', 'what every offer costs, since when, and where that stands')
    .addArgument(new Argument('[action]', 'check: compare with what vendors publish for programs').choices(['check']))
    .option('--model <model>', 'only this model')
    .option('--provider <id>', 'only this provider')
    .addHelpText(
      'after',
      '\n`prices` shows the prices of a gateway, as configured. `prices check` asks the vendors themselves, with the keys of the configuration, and spends ' +
        'nothing; it ends with 1 where a price differs, is new or is gone, and where none could be compared.',
    )
    .action((action: 'check' | undefined, options: PricesOptions) =>
      finish(action === 'check' ? check(options, terminal) : show(options, terminal)),
    )

const show = (options: PricesOptions, terminal: Terminal): Promise<number> =>
  withGateway(options, terminal, async ({ client }) => {
    const prices = (await client.prices()).filter(
      ({ model, provider }) => (options.model ?? model) === model && (options.provider ?? provider) === provider,
    )
    terminal.out(options.json ? JSON.stringify(prices, null, 2) : priceTable(prices))
    return prices.length > 0 ? 0 : 1
  })

async function check(options: PricesOptions, terminal: Terminal): Promise<number> {
  const checked = await checkPublishedPrices({ env: environmentOf(options, terminal), overrides: { quiet: true } }, options)
  const read = checked.filter(({ verdict }) => verdict !== 'not_read')
  terminal.out(options.json ? JSON.stringify(checked, null, 2) : checkTable(checked))
  if (read.length === 0) terminal.err('Nothing was compared: no list of prices could be read.')
  return read.length > 0 && !read.some(isTrouble) ? 0 : 1
}

const checkTable = (checked: readonly CheckedPrice[]): string =>
  checked.length === 0
    ? 'No offer fits.'
    : table(
        ['', 'model', 'provider', 'found', 'ours is of'],
        checked.map(({ verdict, model, provider, detail, as_of: asOf }) => [
          verdict.replaceAll('_', ' '),
          model,
          provider,
          detail,
          asOf ?? '–',
        ]),
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
