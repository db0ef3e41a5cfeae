import { HttpProblem } from './http-problem.ts'

/** The record where `key` may see it: a key sees its own alone, and null, where no keys are configured, sees all. Null otherwise. */
export const owned = <Owned extends { readonly key: string | null }>(record: Owned | null, key: string | null): Owned | null =>
  record !== null && (key === null || record.key === key) ? record : null

export type OwnedKind = 'generation' | 'comparison' | 'webhook delivery'

/** Another key's record is as if it were not there. @throws HttpProblem `not_found` */
export function requireOwned<Owned extends { readonly key: string | null }>(
  record: Owned | null,
  key: string | null,
  kind: OwnedKind,
  id: string,
): Owned {
  const own = owned(record, key)
  if (own === null) throw notThere(kind, id)
  return own
}

export const notThere = (kind: OwnedKind, id: string): HttpProblem =>
  new HttpProblem({ code: 'not_found', detail: `There is no ${kind} ${id.slice(0, 100)}.` })
