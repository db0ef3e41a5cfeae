import type { Generation } from '../../client/index.ts'
import { plural } from '../format/facts.ts'
import { billedText, partText } from '../parts/billed-text.ts'
import { imagesAsked, shownState } from '../parts/shown-state.ts'

const ORDINALS = ['Second', 'Third', 'Fourth', 'Fifth']

/** Of several images each attempt may have made one beside the others: there each provider is one try. */
const triesOf = (generation: Generation): number =>
  imagesAsked(generation) === 1 ? generation.attempts.length : new Set(generation.attempts.map(({ provider }) => provider)).size

/** What is special about a generation, in a sentence; empty where nothing is. */
export function specialText(generation: Generation, titles: (id: string | null) => string): string {
  const { attempts, error } = generation
  const shown = shownState(generation)
  switch (shown) {
    case 'moderated':
      return `Refused ${error?.stage === 'output' ? 'after' : 'before'} it was made. ${billedText(generation)}.`
    case 'outcome_unknown':
      return `The reply was lost. ${billedText(generation)}.`
    case 'failed':
      return `${error?.provider_status === null || error === null ? (error?.message ?? 'It failed').replace(/\.$/, '') : `Answered ${error.provider_status}`}${attempts.length > 1 ? ` after ${plural(attempts.length, 'attempt')}` : ''}. ${billedText(generation)}.`
    case 'part':
      return partText(generation)
    case 'canceled':
      return error?.billed === false ? 'Canceled in time. Not billed.' : 'The provider may still bill it.'
    case 'succeeded':
    case 'queued':
    case 'running':
    case 'ineligible': {
      const [first] = attempts
      const number = triesOf(generation)
      if (first?.status !== 'failed' || number < 2) return ''
      return `${ORDINALS[number - 2] ?? 'Another'} try: ${titles(first.provider)} ${first.error?.code === 'rate_limited' ? 'was busy' : 'failed'}.`
    }
  }
}
