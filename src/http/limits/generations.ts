import type { Run } from '../../core/generation/run.ts'
import { TooManyOpen } from '../../core/nodes.ts'
import { Refusal } from '../../core/generation/refusal.ts'
import { headersOnRefusal } from '../request-context.ts'
import { detailOf, headersOf } from './refusal.ts'
import type { Exceeded, ObserveLimited } from './refusal.ts'

export interface GenerationLimitDependencies {
  readonly run: Pick<Run, 'openCount' | 'openOf'>
  readonly limits: () => { readonly perKey: { readonly generations: number | null }; readonly all: { readonly generations: number | null } }
  readonly observeLimited: ObserveLimited
}

export interface GenerationLimit {
  /**
   * Asks whether one more generation of a key may be open here; nothing waits between the answer and the acceptance.
   * @returns how many the key may have, those of other processes included, which the acceptance has to ask; null: no limit
   * @throws Refusal where it may not
   */
  admit(key: string | null): number | null
  /** What an acceptance failed with. @throws Refusal where it was that other processes have the rest of them, else `error` */
  rethrow(error: unknown): never
}

export function createGenerationLimit({ run, limits, observeLimited }: GenerationLimitDependencies): GenerationLimit {
  const exceededBy = (key: string | null): Exceeded | null => {
    const { perKey, all } = limits()
    if (key !== null && perKey.generations !== null && run.openOf(key) >= perKey.generations)
      return { limit: 'generations', of: 'key', most: perKey.generations }
    if (all.generations !== null && run.openCount >= all.generations) return { limit: 'generations', of: 'all', most: all.generations }
    return null
  }
  const refusalOf = (exceeded: Exceeded): Refusal => {
    observeLimited(exceeded)
    const headers = headersOf(exceeded)
    headersOnRefusal(headers)
    return new Refusal('rate_limited', detailOf(exceeded), [], Number(headers['retry-after']) * 1000)
  }
  return {
    admit(key) {
      const exceeded = exceededBy(key)
      if (exceeded !== null) throw refusalOf(exceeded)
      return limits().perKey.generations
    },
    rethrow(error) {
      throw error instanceof TooManyOpen ? refusalOf({ limit: 'generations', of: 'key', most: error.most }) : error
    },
  }
}
