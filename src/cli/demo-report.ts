import { compareUsd, percentAbove, type Generation, type GenerationRequest, type Usd } from '#contract'
import type { DryCall } from './demo-calls.ts'
import { seconds, sideBySide, table, thousands } from './table.ts'

/** One provider's part of the demo: what came back, or why nothing did. */
export interface DemoRow {
  readonly provider: string
  readonly generation: Generation | null
  /** Why there is no generation, null where there is one. */
  readonly problem: string | null
  readonly saved: readonly string[]
}

export const requestReport = (request: GenerationRequest): string => `One unified request\n${JSON.stringify(request, null, 2)}`

export function callReport(calls: readonly DryCall[], columns: number): string {
  const blocks = calls.map(({ provider, call, url, reasons }) => ({
    title: provider,
    text:
      call === null
        ? `cannot take it:\n${reasons.join('\n')}`
        : `${call.method} ${url ?? call.url}\n${JSON.stringify(call.body ?? null, null, 2)}`,
  }))
  return `What each vendor is sent\n\n${sideBySide(blocks, columns)}`
}

export function resultReport(rows: readonly DemoRow[]): string {
  const cheapest = cheapestOf(rows)
  const cells = rows.map(({ provider, generation, problem }) => {
    if (generation === null) return [provider, `refused: ${problem ?? ''}`]
    const { status, images, timing, cost, warnings, error } = generation
    const [image] = images
    return [
      provider,
      error === null ? status : `${status}: ${error.code}`,
      image === undefined || image.width === null ? '–' : `${image.width}×${image.height ?? '–'}`,
      image?.format ?? '–',
      image === undefined || image.bytes === null ? '–' : thousands(image.bytes),
      seconds(timing.total_ms),
      cost.quoted === null ? 'no price' : `$${cost.quoted}`,
      cost.amount === null ? 'unknown' : `$${cost.amount} ${cost.basis}`,
      comparedTo(cheapest, cost.amount),
      String(warnings.length),
    ]
  })
  const head = ['provider', 'status', 'size', 'format', 'bytes', 'time', 'quoted', 'cost', 'vs cheapest', 'adapted']
  return `What came back, in one form\n\n${table(head, cells)}`
}

export function warningReport(rows: readonly DemoRow[]): string | null {
  const lines = rows.flatMap(({ provider, generation }) =>
    (generation?.warnings ?? []).map(
      ({ field, requested, used, reason }) => `  ${provider}: ${field} ${JSON.stringify(requested)} → ${JSON.stringify(used)}: ${reason}`,
    ),
  )
  return lines.length === 0 ? null : `What was adapted on the way\n${lines.join('\n')}`
}

/** A row for programs; money stays text. */
export const summaryOf = (rows: readonly DemoRow[]): readonly object[] => {
  const cheapest = cheapestOf(rows)
  return rows.map(({ provider, generation, problem, saved }) => ({
    provider,
    status: generation?.status ?? 'refused',
    problem,
    quoted: generation?.cost.quoted ?? null,
    amount: generation?.cost.amount ?? null,
    vs_cheapest: cheapest === null || !generation?.cost.amount ? null : percentAbove(generation.cost.amount, cheapest),
    total_ms: generation?.timing.total_ms ?? null,
    bytes: generation?.images[0]?.bytes ?? null,
    saved,
  }))
}

/** Only what delivered counts: a failure that cost nothing is not cheap. */
function cheapestOf(rows: readonly DemoRow[]): Usd | null {
  const amounts = rows.flatMap(({ generation }) =>
    generation?.status === 'succeeded' && generation.cost.amount !== null ? [generation.cost.amount] : [],
  )
  return amounts.sort(compareUsd)[0] ?? null
}

function comparedTo(cheapest: Usd | null, amount: Usd | null): string {
  if (cheapest === null || amount === null) return '–'
  return compareUsd(amount, cheapest) === 0 ? 'cheapest' : (percentAbove(amount, cheapest) ?? '–')
}
