import type { AttemptRecord } from '../records.ts'

/** When the attempt's next step is. */
export type Next =
  /** At once. */
  | { readonly kind: 'now' }
  | { readonly kind: 'later'; readonly afterMs: number }
  /** When a slot is free at the attempt's provider; at the latest after `patienceMs`. */
  | { readonly kind: 'slot'; readonly patienceMs: number }
  /** Never: the attempt has ended. These attempts begin: the task's next try, or the next route's tasks. */
  | { readonly kind: 'ended'; readonly begin: readonly Beginning[] }

/** What the driver is left with when no step follows at once. */
export type Pause = Exclude<Next, { readonly kind: 'now' }>

export interface Beginning {
  readonly attempt: AttemptRecord
  readonly afterMs: number
}

/** From the intent to buy until the vendor says how the task ended: so long the vendor may count it. */
export const holdsSlot = ({ status }: AttemptRecord): boolean => status === 'submitting' || status === 'pending'

export const NOW: Next = { kind: 'now' }
export const later = (afterMs: number): Pause => ({ kind: 'later', afterMs })
export const ended = (begin: readonly Beginning[] = []): Next => ({ kind: 'ended', begin })
