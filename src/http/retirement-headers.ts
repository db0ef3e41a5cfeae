import { z } from 'zod'
import type { Warning } from '#contract'
import { NOTICE_MS } from '../core/plan/retirement.ts'

const Retiring = z.object({ retires_on: z.iso.date() })

/**
 * `Deprecation` (RFC 9745) and `Sunset` (RFC 8594) of a model whose end is near, as its `deprecated` warning has it; of several the first to
 * end. Nothing where there is none.
 */
export function retirementHeaders(warnings: readonly Warning[]): Record<string, string> {
  const [first] = warnings
    .flatMap(({ code, used }) => (code === 'deprecated' ? (Retiring.safeParse(used).data?.retires_on ?? []) : []))
    .toSorted()
  if (first === undefined) return {}
  const endsAt = Date.parse(first)
  return { deprecation: `@${Math.floor((endsAt - NOTICE_MS) / 1000)}`, sunset: new Date(endsAt).toUTCString() }
}
