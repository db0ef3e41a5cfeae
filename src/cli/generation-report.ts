import { FAILURES, type Generation } from '#contract'
import { seconds, table, thousands } from './table.ts'

/** `$0.045`, `unknown` where it ended and nobody knows, else a dash. */
export const costOf = ({ cost, completed_at: ended }: Generation): string =>
  cost.amount === null ? (ended === null ? '–' : 'unknown') : `$${cost.amount}`

/** One generation: its facts, its images, what was adapted, and why it failed. */
export function generationReport(generation: Generation, paths: readonly string[]): string {
  const { images, cost, error, warnings, provider, provider_model: providerModel, timing } = generation
  const facts = [
    ['generation', generation.id],
    ['status', generation.status],
    ['model', generation.model],
    ...(provider === null ? [] : [['provider', `${provider} (${providerModel ?? '–'})`]]),
    ['time', seconds(timing.total_ms)],
    ['quoted', cost.quoted === null ? 'no published price' : `$${cost.quoted}`],
    ['cost', cost.amount === null ? 'unknown' : `$${cost.amount} (${cost.basis})`],
  ]
  const width = Math.max(...facts.map(([name = '']) => name.length))
  const rows = images.map((image, index) => [
    paths[index] ?? image.url,
    image.width === null ? '–' : `${image.width}×${image.height ?? '–'}`,
    image.format ?? '–',
    image.bytes === null ? '–' : thousands(image.bytes),
    image.seed ?? '–',
  ])
  return [
    facts.map(([name = '', value = '']) => `${name.padEnd(width)}  ${value}`).join('\n'),
    ...(rows.length > 0 ? ['', table(['image', 'size', 'format', 'bytes', 'seed'], rows)] : []),
    ...(warnings.length > 0 ? ['', ...warnings.map((warning) => `adapted: ${warning.field}: ${inOneLine(warning.reason)}`)] : []),
    ...attemptLines(generation),
    ...(error === null
      ? []
      : ['', `failed: ${error.code}: ${inOneLine(error.message)}`, `what to do: ${FAILURES[error.code].remedy}`, billing(error.billed)]),
  ].join('\n')
}

/** Where one of several attempts failed, all of them: its error is that of the last. */
function attemptLines({ attempts }: Generation): readonly string[] {
  if (attempts.length < 2 || attempts.every(({ error }) => error === null)) return []
  const lines = attempts.map(({ provider, status, error }, index) => {
    const why = error === null ? '' : `: ${error.code}: ${inOneLine(error.message)} (${billing(error.billed)})`
    return `attempt ${index + 1}: ${provider} ${status}${why}`
  })
  return ['', ...lines]
}

/** A vendor's text makes no line of its own, which would be taken for ours. */
const inOneLine = (text: string): string => text.replaceAll(/\s+/g, (run) => (/[\r\n]/.test(run) ? ' ' : run))

function billing(billed: boolean | 'unknown'): string {
  if (billed === 'unknown') return 'billed: perhaps; the vendor did not say'
  return billed ? 'billed: yes' : 'billed: no'
}
