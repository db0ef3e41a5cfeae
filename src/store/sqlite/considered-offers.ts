import type { DatabaseSync } from 'node:sqlite'
import type { Routing } from '#contract'
import { StoreError } from '../../core/ports.ts'
import type { GenerationRecord } from '../../core/records.ts'
import { planOf } from '../rules/generation-row.ts'
import { generationOf } from '../rules/rows.ts'
import type { Row } from '../rules/rows.ts'
import type { GroupCommit } from './group-commit.ts'

type Offer = Routing['considered'][number]

/** So many plans hold an offer in full before it gets a number: one that few plans repeat is not worth a row. */
const FULL_BEFORE = 16

/** Keeps and reads the plans of generations. */
export interface Plans {
  readonly planOf: (record: GenerationRecord) => string
  /** @throws StoreError `damaged` where it is not what was written */
  readonly generationOf: (row: Row) => GenerationRecord
}

/**
 * Plans, in which an offer that cannot be used, and of which thousands of plans say the same, is a number: with eight installed providers, seven of
 * them without a key, a plan takes 1.1 kB instead of 2.5, and three fit a page of the database instead of one. An offer that is planned with is the
 * same object as long as the same is said of it (`core/plan/plan.ts`), so no text is compared.
 */
export function consideredOffers(database: DatabaseSync, group: Pick<GroupCommit, 'add'>): Plans {
  const insert = database.prepare('INSERT INTO considered_offers (offer) VALUES (?)')
  const kept = new WeakMap<Offer, { plans: number; number: number | null }>()
  const offerOf = offerReader(database)

  /** Plans name it only once it is on disk. Where the disk refuses, it is tried again after as many plans. */
  const keep = (offer: Offer, of: { plans: number; number: number | null }): void => {
    let number = 0
    const apply = (): void => {
      number = Number(insert.run(JSON.stringify(offer)).lastInsertRowid)
    }
    group.add([{ apply }]).then(
      () => (of.number = number),
      () => (of.plans = 0),
    )
  }

  const numbered = (offer: Offer): Offer | number => {
    if (offer.eligible) return offer
    const of = kept.get(offer)
    if (of === undefined) kept.set(offer, { plans: 1, number: null })
    else if (of.number !== null) return of.number
    else if (++of.plans === FULL_BEFORE) keep(offer, of)
    return offer
  }

  return {
    planOf: (record) => planOf(record, record.routing.considered.map(numbered)),
    generationOf: (row) => generationOf(row, offerOf),
  }
}

/** What a number among the considered offers of a plan stands for. @throws StoreError `damaged` where nothing has it */
export function offerReader(database: DatabaseSync): (number: number) => Offer {
  const find = database.prepare('SELECT offer FROM considered_offers WHERE number = ?')
  const read = new Map<number, Offer>()
  return (number) => {
    const known = read.get(number)
    if (known !== undefined) return known
    const row = find.get(number)
    if (row === undefined) throw new StoreError('damaged', `the database lacks the considered offer ${number}; restore a backup`)
    const offer = JSON.parse(String(row['offer'])) as Offer
    read.set(number, offer)
    return offer
  }
}
