import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CostLine, PriceEntry, PriceExamples, PriceRule } from '#contract'
import { loadCatalogue } from '../src/catalogue/catalogue.ts'
import { OLD_DAYS, priceEntry } from '../src/core/plan/price-entry.ts'

/**
 * The prices of every installed provider, as published: `npm run -s prices` prints them as JSON, each as `GET /v1/prices` has it, and writes the
 * table `docs/prices.md`, which does not depend on the day it is written on; with `--check` it writes nothing, and ends with 1 where that table is
 * out of date.
 */

const ROOT = join(import.meta.dirname, '..')
const DAY_MS = 86_400_000

export const PRICES_PAGE = 'docs/prices.md'

/** An entry for each offer, by model; warnings are those of `nowMs`. */
export async function publishedPrices(nowMs: number): Promise<readonly PriceEntry[]> {
  const catalogue = await loadCatalogue()
  return catalogue.models.flatMap((model) => catalogue.offers(model).map((offer) => priceEntry(offer, nowMs)))
}

export function pricesPage(prices: readonly PriceEntry[]): string {
  const head = ['model', 'provider', 'rule, in US dollars', '1 MP', '2 MP', 'one edit', 'read on', 'doubted after', 'source']
  const rows = prices.map(({ model, provider, price, examples, as_of: asOf, source_url: source }) => [
    `\`${model}\``,
    `[${provider}](providers/${provider}.md)`,
    price === null ? 'not known' : ruleText(price),
    ...amountsOf(examples),
    asOf ?? '–',
    asOf === null ? '–' : new Date(Date.parse(asOf) + OLD_DAYS * DAY_MS).toISOString().slice(0, 10),
    source === null ? '–' : `[page](${source})`,
  ])
  return (
    [
      '# Prices',
      '<!-- written by `npm run prices` from the manifests in providers/ -->',
      'What every offer costs as its vendor publishes it, in US dollars. The arithmetic is that of a quote for one square image of about one megapixel (1,048,576 px), of two, and of one with a reference of 1024 x 1024; `–` where the offer cannot do that, and “not known” where nobody publishes what it takes. `GET /v1/prices` and `imagegate prices` have the same with your own prices, discounts and surcharges; `npm run -s prices` prints this table as JSON. `imagegate prices check` compares with what vendors publish for programs.',
      `A price that was read more than ${OLD_DAYS} days ago has a warning there: read it again at its source.`,
      table(head, rows),
      '',
    ]
      .join('\n\n')
      .trimEnd() + '\n'
  )
}

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

const amountsOf = ({ one_megapixel: one, two_megapixels: two, edit }: PriceExamples): readonly string[] =>
  [one, two, edit].map((example) => (example === null ? '–' : `${example.amount}${arithmetic(example.lines)}`))

/** Nothing where the amount is its own arithmetic. */
const arithmetic = (lines: readonly CostLine[]): string =>
  lines.length === 1 && lines[0]?.quantity === 1
    ? ''
    : ` (${lines.map(({ quantity, unit_amount: unit }) => `${quantity} × ${unit}`).join(' + ')})`

/** A rule as a sentence a person reads in a table. */
export function ruleText(price: PriceRule): string {
  const each = (amounts: Readonly<Record<string, string | null>>): string =>
    Object.entries(amounts)
      .map(([what, amount]) => `${what.replaceAll('_', ' ')} ${amount ?? 'not known'}`)
      .join('; ')
  switch (price.kind) {
    case 'per_image':
      return `${price.per_image} an image`
    case 'megapixel':
      return each({ 'first megapixel': price.first_output, 'each further': price.extra_output, 'each of a reference': price.reference })
    case 'per_tier':
      return each({ ...price.tiers, 'each reference': price.reference })
    case 'token':
      return `for a million tokens: ${each(price.per_million)}`
  }
}

if (import.meta.main) {
  const prices = await publishedPrices(Date.now())
  const file = join(ROOT, PRICES_PAGE)
  process.stdout.write(`${JSON.stringify(prices, null, 2)}\n`)
  for (const { provider, model, warning } of prices) if (warning !== null) process.stderr.write(`${provider} ${model}: ${warning}\n`)
  const page = pricesPage(prices)
  if (!process.argv.includes('--check')) writeFileSync(file, page)
  else if (readFileSync(file, 'utf8') !== page) {
    process.stderr.write(`${PRICES_PAGE} is out of date: run \`npm run prices\`\n`)
    process.exitCode = 1
  }
}
