import type { Generation } from '../../client/index.ts'

/** The state of a generation as the pages name it: the contract's words, and of failures those that matter to a reader. */
export type Shown = 'queued' | 'running' | 'succeeded' | 'part' | 'failed' | 'moderated' | 'outcome_unknown' | 'canceled' | 'ineligible'

/** What its state is read from. */
export type Subject = Pick<Generation, 'status' | 'images' | 'error' | 'request'>

export const imagesAsked = ({ request }: Pick<Generation, 'request'>): number => (typeof request['n'] === 'number' ? request['n'] : 1)

export function shownState(generation: Subject): Shown {
  const { status, images, error } = generation
  if (status === 'succeeded') return images.length < imagesAsked(generation) ? 'part' : 'succeeded'
  if (status === 'failed' && error?.code === 'moderated') return 'moderated'
  if (status === 'failed' && error?.code === 'outcome_unknown') return 'outcome_unknown'
  return status
}

export const isOpen = (status: string): boolean => status === 'queued' || status === 'running'
