import type { Run } from '../../core/generation/run.ts'
import { Refusal } from '../../core/generation/refusal.ts'
import { headersOnRefusal } from '../request-context.ts'
import { detailOf, headersOf } from './refusal.ts'
import type { Exceeded, ObserveLimited } from './refusal.ts'

export interface GenerationLimitDependencies {
  readonly run: Pick<Run, 'openCount' | 'openOf'>
  readonly limits: () => { readonly perKey: { readonly generations: number | null }; readonly all: { readonly generations: number | null } }
  readonly observeLimited: ObserveLimited
}

/** Asks whether one more generation of a key may be open; nothing waits between the answer and the acceptance. @throws Refusal where it may not */
export type AdmitGeneration = (key: string | null) => void

export function createAdmitGeneration({ run, limits, observeLimited }: GenerationLimitDependencies): AdmitGeneration {
  const exceededBy = (key: string | null): Exceeded | null => {
    const { perKey, all } = limits()
    if (key !== null && perKey.generations !== null && run.openOf(key) >= perKey.generations)
      return { limit: 'generations', of: 'key', most: perKey.generations }
    if (all.generations !== null && run.openCount >= all.generations) return { limit: 'generations', of: 'all', most: all.generations }
    return null
  }
  return (key) => {
    const exceeded = exceededBy(key)
    if (exceeded === null) return
    observeLimited(exceeded)
    const headers = headersOf(exceeded)
    headersOnRefusal(headers)
    throw new Refusal('rate_limited', detailOf(exceeded), [], Number(headers['retry-after']) * 1000)
  }
}
