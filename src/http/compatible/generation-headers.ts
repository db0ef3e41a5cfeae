import type { Generation, Warning } from '#contract'
import { retirementHeaders } from '../retirement-headers.ts'

/** Clients take 16 KiB of headers in all. */
const MOST_WARNING_CHARS = 4_000

/** What does not fit into OpenAI's answer. The cost is empty where it is not known. */
export function generationHeaders(generation: Generation, also: readonly Warning[] = []): Record<string, string> {
  const warnings = warningsHeader([...generation.warnings, ...also])
  return {
    'x-request-id': generation.id,
    'x-imagegate-generation-id': generation.id,
    'x-imagegate-provider': generation.provider ?? '',
    'x-imagegate-cost-usd': generation.cost.amount ?? '',
    'x-imagegate-cost-basis': generation.cost.basis,
    ...(warnings === null ? {} : { 'x-imagegate-warnings': warnings }),
    ...retirementHeaders(generation.warnings),
  }
}

/** Warnings as JSON in ASCII, as many as fit; all of them stay in the stored generation. Null where there are none. */
export function warningsHeader(warnings: readonly Warning[]): string | null {
  const fitting: string[] = []
  let length = 2
  for (const warning of warnings) {
    const whole = asciiJson(warning)
    const text = length + whole.length <= MOST_WARNING_CHARS ? whole : asciiJson({ code: warning.code, field: warning.field })
    if (length + text.length > MOST_WARNING_CHARS) break
    fitting.push(text)
    length += text.length + 1
  }
  return warnings.length === 0 ? null : `[${fitting.join(',')}]`
}

const asciiJson = (value: unknown): string =>
  JSON.stringify(value).replaceAll(/[^\x20-\x7e]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
