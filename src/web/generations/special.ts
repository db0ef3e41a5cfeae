import type { Generation } from '../../client/index.ts'
import { plural } from '../format/facts.ts'
import { billedForText, billedText } from '../parts/billed.tsx'
import { imagesAsked, shownState } from '../parts/state.tsx'

/** What is special about a generation, in a sentence; empty where nothing is. */
export function specialText(generation: Generation, titles: (id: string | null) => string): string {
  const { attempts, error, images } = generation
  const shown = shownState(generation)
  switch (shown) {
    case 'moderated':
      return `Refused ${error?.stage === 'output' ? 'after' : 'before'} it was made. ${billedText(generation)}.`
    case 'outcome_unknown':
      return `The reply was lost. ${billedText(generation)}.`
    case 'failed':
      return `${error?.provider_status === null || error === null ? (error?.message ?? 'It failed').replace(/\.$/, '') : `Answered ${error.provider_status}`}${attempts.length > 1 ? ` after ${plural(attempts.length, 'attempt')}` : ''}. ${billedText(generation)}.`
    case 'part':
      return `${imagesAsked(generation) - images.length} of ${imagesAsked(generation)} was refused after it was made. ${billedForText(generation)}`
    case 'canceled':
      return error?.billed === false ? 'Canceled in time. Not billed.' : 'The provider may still bill it.'
    case 'succeeded':
    case 'queued':
    case 'running':
    case 'ineligible': {
      const [first] = attempts
      if (first?.status === 'failed' && attempts.length > 1)
        return `Second try: ${titles(first.provider)} ${first.error?.code === 'rate_limited' ? 'was busy' : 'failed'}.`
      return ''
    }
  }
}
