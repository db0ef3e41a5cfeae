import type { AttemptRecord } from '../records.ts'

/** What comes after a step. */
export type Next =
  /** The next step, at once. */
  | { readonly kind: 'now' }
  | { readonly kind: 'later'; readonly afterMs: number }
  /** When a slot is free at the attempt's provider; at the latest after `patienceMs`. */
  | { readonly kind: 'slot'; readonly patienceMs: number }
  /** The attempt has ended. These attempts begin: the task's next try, or the next route's tasks. */
  | { readonly kind: 'nothing'; readonly begin: readonly Beginning[] }

export interface Beginning {
  readonly attempt: AttemptRecord
  readonly afterMs: number
}

/** The vendor counts a task from before its submit until it says how it ended. */
export const holdsSlot = ({ status }: AttemptRecord): boolean => status === 'submitting' || status === 'pending'

export const NOW: Next = { kind: 'now' }
export const later = (afterMs: number): Next => ({ kind: 'later', afterMs })
export const nothing = (begin: readonly Beginning[] = []): Next => ({ kind: 'nothing', begin })
