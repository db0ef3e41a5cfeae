import type { GenerationRequest, Quote, QuotedOffer } from '#contract'
import type { Verb } from './verb.ts'
import { withGateway, type ConnectOptions } from './connect.ts'
import { requestCommand } from './request-command.ts'
import { requestFromOptions, type RequestOptions } from './request-from-options.ts'
import { seconds, table } from './table.ts'
import type { Terminal } from './terminal.ts'

interface QuoteOptions extends ConnectOptions, RequestOptions {
  readonly json?: boolean
}

export const quoteVerb: Verb = (terminal, finish) =>
  requestCommand('quote', 'show what each provider would charge for a request; spends nothing').action(
    (prompt: string, options: QuoteOptions) => finish(quote(prompt, options, terminal)),
  )

async function quote(prompt: string, options: QuoteOptions, terminal: Terminal): Promise<number> {
  const request = await requestFromOptions(prompt, options, terminal)
  return withGateway(options, terminal, async ({ client }) => {
    const quoted = await client.quote(request)
    terminal.out(options.json ? JSON.stringify(quoted, null, 2) : quoteReport(asked(quoted, request)))
    return quoted.offers.some(({ eligible }) => eligible) ? 0 : 1
  })
}

/** The offers that the request allows: who excluded the others knows that. All of them where none is left. */
function asked(quoted: Quote, { model, provider: { only, ignore } = {} }: GenerationRequest): Quote {
  const [pinned] = model.includes('/') ? model.split('/') : []
  const offers = quoted.offers.filter(
    ({ provider, eligible }) =>
      eligible ||
      (only?.includes(provider) !== false && ignore?.includes(provider) !== true && (pinned === undefined || pinned === provider)),
  )
  return offers.length === 0 ? quoted : { ...quoted, offers }
}

/** Every offer as the quote sorts them; below, what each would be asked for instead and what its price takes for granted. */
export function quoteReport({ model, offers, route, cheapest, fastest }: Quote): string {
  const head = ['provider', 'eligible', 'fidelity', 'size', 'price', 'how it comes to that', 'usual time']
  const rows = offers.map((offer) => [
    offer.provider,
    offer.eligible ? 'yes' : 'no',
    offer.fidelity ?? '–',
    sizeOf(offer),
    offer.cost === null ? '–' : `$${offer.cost.amount}`,
    linesOf(offer),
    offer.latency_ms === null
      ? '–'
      : `${seconds(offer.latency_ms.p50)} (p95 ${seconds(offer.latency_ms.p95)}, of ${offer.latency_ms.samples})`,
  ])
  const notes = notesOf(offers)
  const best = [
    `cheapest: ${cheapest ?? 'none is priced'}`,
    `fastest: ${fastest ?? 'none was measured often enough yet'}`,
    `now it would go to: ${route.length === 0 ? 'none' : route.join(', ')}`,
  ].join(' · ')
  return [`What ${model} would cost`, '', table(head, rows), '', best, ...(notes.length > 0 ? ['', ...notes] : [])].join('\n')
}

/** What holds for several providers word for word is said once, of all of them. */
function notesOf(offers: readonly QuotedOffer[]): readonly string[] {
  const assumed = Map.groupBy(
    offers.flatMap(({ provider, assumptions }) => assumptions.map((assumption) => ({ provider, assumption }))),
    ({ assumption }) => assumption,
  )
  return [
    ...offers.flatMap(({ provider, reasons, warnings }) => [
      ...reasons.map((reason) => `  ${provider} cannot: ${reason}`),
      ...warnings.map(
        ({ field, requested, used, reason }) =>
          `  ${provider} adapts ${field} ${JSON.stringify(requested)} → ${JSON.stringify(used)}: ${reason}`,
      ),
    ]),
    ...[...assumed].map(([assumption, of]) => `  ${of.map(({ provider }) => provider).join(', ')}: ${assumption}`),
  ]
}

function sizeOf({ applied }: QuotedOffer): string {
  if (applied === null) return '–'
  const size = applied.width === undefined ? 'its own' : `${applied.width}×${applied.height ?? '–'}`
  return applied.n > 1 ? `${applied.n} × ${size}` : size
}

function linesOf({ cost, applied, observed }: QuotedOffer): string {
  if (cost === null && observed) return `no published price; $${observed.amount} on average before (${observed.samples} billed)`
  if (cost === null) return applied === null ? '–' : 'no published price'
  return cost.lines.map(({ what, quantity, unit_amount: unit }) => `${quantity} × ${what} at $${unit}`).join(' + ')
}
