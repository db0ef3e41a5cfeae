import type { DatabaseSync } from 'node:sqlite'
import { usdFromNano } from '#contract'
import type { Store } from '../../core/ports.ts'
import { StoreError } from '../store-error.ts'
import { budgetReader } from './budgets.ts'
import type { Change } from './change.ts'
import { generationChanges } from './changes/generations.ts'
import { idempotencyChange } from './changes/idempotency.ts'
import { imageChanges } from './changes/images.ts'
import { ledgerChanges } from './changes/ledger.ts'
import { comparisonChanges, comparisonReader } from './comparisons.ts'
import { observedBillReader, readCosts } from './costs.ts'
import { deliveryChanges, deliveryReader } from './deliveries.ts'
import type { Leases } from './deliveries.ts'
import { groupCommit } from './group-commit.ts'
import { lister } from './list.ts'
import { openDatabase } from './open.ts'
import { GENERATION, generationOf, idempotencyOf, imageOf } from './rows.ts'

/** Everything a unit of work can hold. */
const changeKinds = [idempotencyChange, generationChanges, imageChanges, comparisonChanges, ledgerChanges]

/**
 * The store in `<directory>/imagegate.db`, for this process alone. The folder is made where it is missing.
 * @throws StoreError where the folder is in use, cannot be written, is damaged, or was written by a newer version
 */
export async function openStore(options: { readonly directory: string }): Promise<Store> {
  return sqliteStore(openDatabase(options.directory))
}

/** The store over an open database whose schema is up to date; `close` closes the database. */
export function sqliteStore(database: DatabaseSync): Store {
  const leases: Leases = new Map()
  const kinds = [...changeKinds, deliveryChanges(leases)].map((kind) => kind(database))
  const group = groupCommit(database)
  const list = lister(database)
  const budgets = budgetReader(database)
  const observedBills = observedBillReader(database)
  const comparisons = comparisonReader(database)
  const deliveries = deliveryReader(database, leases)
  const generation = database.prepare(`SELECT state, plan FROM ${GENERATION} WHERE g.id = ?`)
  const open = database.prepare(`SELECT state, plan FROM ${GENERATION} WHERE g.open = 1 ORDER BY g.created_at, g.id`)
  const image = database.prepare('SELECT * FROM images WHERE id = ?')
  const idempotency = database.prepare('SELECT * FROM idempotency WHERE scope = ? AND key = ?')
  const forget = database.prepare('DELETE FROM idempotency WHERE created_at < ?')
  const one = database.prepare('SELECT 1')
  let isClosed = false

  const assertOpen = (): void => {
    if (isClosed) throw new StoreError('closed', 'the store is closed')
  }

  return {
    async commit(unit) {
      const changes: Change[] = []
      for (const kind of kinds) {
        const change = kind(unit)
        if (change !== null) changes.push(change)
      }
      await group.add(changes)
    },
    async generation(id) {
      assertOpen()
      const row = generation.get(id)
      return row === undefined ? null : generationOf(row)
    },
    async list(query) {
      assertOpen()
      return list(query)
    },
    async claimOpen() {
      assertOpen()
      return open.all().map(generationOf)
    },
    async image(id) {
      assertOpen()
      const row = image.get(id)
      return row === undefined ? null : imageOf(row)
    },
    async comparison(id) {
      assertOpen()
      return comparisons.comparison(id)
    },
    async comparisons(query) {
      assertOpen()
      return comparisons.comparisons(query)
    },
    async unbegunComparisons() {
      assertOpen()
      return comparisons.unbegunComparisons()
    },
    async idempotency(scope, key) {
      assertOpen()
      const row = idempotency.get(scope, key)
      return row === undefined ? null : idempotencyOf(row)
    },
    async forgetIdempotencyBefore(instant) {
      await group.add([{ apply: () => forget.run(instant) }])
    },
    async budgetUsed(key, period, periodStart) {
      assertOpen()
      return usdFromNano(budgets.used(key, period, periodStart))
    },
    costs(query) {
      assertOpen()
      return readCosts(database, query)
    },
    async observedBills(provider, model, limit) {
      assertOpen()
      return observedBills(provider, model, limit)
    },
    async delivery(id) {
      assertOpen()
      return deliveries.delivery(id)
    },
    async deliveries(query) {
      assertOpen()
      return deliveries.deliveries(query)
    },
    async claimDeliveries(claim) {
      assertOpen()
      return deliveries.claimDeliveries(claim)
    },
    async ping() {
      assertOpen()
      one.get()
    },
    async close() {
      if (isClosed) return
      group.close()
      isClosed = true
      database.close()
    },
  }
}
