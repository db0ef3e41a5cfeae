import type { Caller } from './access.ts'
import { HttpProblem } from './http-problem.ts'

type Asks = Pick<Caller, 'key' | 'isAdmin'>

/** The record where the caller may see it: a key sees its own alone, an admin key and everybody where keys are off see all. Null otherwise. */
export const owned = <Owned extends { readonly key: string | null }>(record: Owned | null, { key, isAdmin }: Asks): Owned | null =>
  record !== null && (isAdmin || (key !== null && record.key === key)) ? record : null

/** For a list: only this key's rows; nothing where the caller sees every key's. */
export const seesOnly = ({ key, isAdmin }: Asks): { readonly key?: string } => (isAdmin ? {} : { key: key ?? '' })

export type OwnedKind = 'generation' | 'comparison' | 'webhook delivery'

/** Another key's record is as if it were not there. @throws HttpProblem `not_found` */
export function requireOwned<Owned extends { readonly key: string | null }>(
  record: Owned | null,
  caller: Asks,
  kind: OwnedKind,
  id: string,
): Owned {
  const own = owned(record, caller)
  if (own === null) throw notThere(kind, id)
  return own
}

export const notThere = (kind: OwnedKind, id: string): HttpProblem =>
  new HttpProblem({ code: 'not_found', detail: `There is no ${kind} ${id.slice(0, 100)}.` })
