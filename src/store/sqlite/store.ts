import type { DatabaseSync } from 'node:sqlite'
import { usdFromNano } from '#contract'
import type { IdempotencyEntry, Store, UnitOfWork } from '../../core/ports.ts'
import type { GenerationRecord, OwnedImage } from '../../core/records.ts'
import { FIRST_LEASE } from '../../core/nodes.ts'
import type { Change, ChangeKind } from './change.ts'
import { copyDatabase } from './copy-database.ts'
import { budgetReader } from './budgets.ts'
import { callChanges, callReader } from './attempt-calls.ts'
import { generationChanges } from './changes/generations.ts'
import { idempotencyChange } from './changes/idempotency.ts'
import { imageChanges } from './changes/images.ts'
import { ledgerChanges } from './changes/ledger.ts'
import { comparisonChanges, comparisonReader } from './comparisons.ts'
import { consideredOffers } from './considered-offers.ts'
import type { Plans } from './considered-offers.ts'
import { keyChanges, keyReader } from './keys.ts'
import { addedUpDays, addedUpReader, dayTotaller } from './cost-days.ts'
import { observedBillReader, readCosts } from './costs.ts'
import { deliveryChanges, deliveryReader } from './deliveries.ts'
import type { Leases } from './deliveries.ts'
import { readFailure } from './failure-of.ts'
import { groupCommit } from './group-commit.ts'
import { keepApart, type Money } from './keep-apart.ts'
import { lister } from './list.ts'
import { openDatabase } from './open.ts'
import { readingTurns } from './reading-turn.ts'
import { promptSearch } from './prompt-search.ts'
import { providerHours } from './provider-hours.ts'
import { readAddedUp } from '../rules/added-up-costs.ts'
import { GENERATION, idempotencyOf, imageOf } from '../rules/rows.ts'
import { openState } from '../open-state.ts'
import { keyNamer } from './key-names.ts'
import { writeAheadLog } from './write-ahead-log.ts'

/** Everything a unit of work can hold. */
const changeKinds = (plans: Plans): readonly ChangeKind[] => [
  idempotencyChange,
  generationChanges(plans),
  callChanges,
  imageChanges,
  comparisonChanges,
  keyChanges,
]

/**
 * The store in `<directory>/imagegate.db`, for this process alone. The folder is made where it is missing.
 * @throws StoreError where the folder is in use, cannot be written, is damaged, or was written by a newer version
 */
export async function openStore({ directory, money, onLost }: StoreOptions): Promise<Store> {
  const database = openDatabase(directory)
  try {
    if (money !== undefined) keepApart(database, money)
    return sqliteStore(database, onLost)
  } catch (error) {
    database.close()
    throw readFailure(error)
  }
}

export interface StoreOptions {
  readonly directory: string
  /** Whose rows are written: those of a sandbox, or of real providers. Absent where nobody buys, as in a restore. */
  readonly money?: Money
  /** Hears that the disk failed to keep what is written; must end the process, since nothing is answered any more. By default it throws. */
  readonly onLost?: ((error: unknown) => void) | undefined
}

const thrown = (error: unknown): never => {
  throw error
}

/** The store over an open database whose schema is up to date; `close` closes the database. */
export function sqliteStore(database: DatabaseSync, onLost: (error: unknown) => void = thrown): Store {
  const leases: Leases = new Map()
  const budgets = budgetReader(database)
  const log = writeAheadLog(database)
  const group = groupCommit(database, log, onLost)
  const plans = consideredOffers(database, group)
  const days = addedUpDays(database)
  const kinds = [...changeKinds(plans), ledgerChanges(budgets, days), deliveryChanges(leases)].map((kind) => kind(database))
  const readingTurn = readingTurns(group.onDisk)
  const hours = providerHours(database, group)
  const search = promptSearch(database, group)
  const addedUp = addedUpReader(database, readingTurn)
  const rows = rowReader(database, plans)
  const comparisons = comparisonReader(database)
  const keys = keyReader(database, group)
  const deliveries = deliveryReader(database, leases, { readingTurn, group })
  const { isClosed, close, whileOpen, pagesWhileOpen } = openState(group.onDisk, readFailure)

  return {
    async commit(unit) {
      await group.add(changesOf(kinds, unit))
      search.noteWritten(unit)
      hours.noteWritten(unit)
    },
    async forgetIdempotency(entry) {
      await group.add([{ apply: () => rows.forgetIdempotency(entry) }])
    },
    generation: whileOpen(rows.generation),
    list: whileOpen(lister(database, { search, readingTurn, plans })),
    providerHours: whileOpen(hours.read),
    claimOpen: whileOpen(() => rows.open().map((record) => ({ record, lease: FIRST_LEASE, isCancelAsked: false }))),
    attemptCalls: whileOpen(callReader(database)),
    image: whileOpen(rows.image),
    comparison: whileOpen(comparisons.comparison),
    comparisons: whileOpen(comparisons.comparisons),
    unbegunComparisons: whileOpen(comparisons.unbegunComparisons),
    idempotency: whileOpen(rows.idempotency),
    budgetUsed: whileOpen(async (...asked: Parameters<typeof budgets.read>) => usdFromNano(await budgets.read(...asked))),
    costs: pagesWhileOpen((query) => readCosts(database, query, readingTurn)),
    costSums: pagesWhileOpen((query) => readAddedUp(addedUp(query), query)),
    addUpDay: whileOpen(dayTotaller(database, group, days)),
    observedBills: whileOpen(observedBillReader(database)),
    delivery: whileOpen(deliveries.delivery),
    deliveries: whileOpen(deliveries.deliveries),
    planLateDeliveries: whileOpen(deliveries.planLateDeliveries),
    claimDeliveries: whileOpen(deliveries.claimDeliveries),
    nameKeys: whileOpen(keyNamer(database, group)),
    copyTo: whileOpen((path: string) => copyDatabase(database, path)),
    keys: whileOpen(keys.keys),
    secret: whileOpen(keys.secret),
    ping: whileOpen(rows.ping),
    async close() {
      if (isClosed()) return
      close()
      await group.close()
      database.close()
      log.close()
    },
  }
}

/** What each kind has to write of a unit. */
function changesOf(kinds: readonly ReturnType<ChangeKind>[], unit: UnitOfWork): readonly Change[] {
  const changes: Change[] = []
  for (const kind of kinds) {
    const change = kind(unit)
    if (change !== null) changes.push(change)
  }
  return changes
}

/** Reads single rows by their keys. */
function rowReader(database: DatabaseSync, { generationOf }: Plans) {
  const generation = database.prepare(`SELECT state, plan FROM ${GENERATION} WHERE g.id = ?`)
  const open = database.prepare(`SELECT state, plan FROM ${GENERATION} WHERE g.open = 1 ORDER BY g.created_at, g.id`)
  const image = database.prepare(`
    SELECT i.*, coalesce(g.key, c.key) AS owner FROM images AS i
    LEFT JOIN generations AS g ON g.id = i.generation_id LEFT JOIN comparisons AS c ON c.id = i.generation_id WHERE i.id = ?`)
  const idempotency = database.prepare('SELECT * FROM idempotency WHERE scope = ? AND key = ?')
  const forget = database.prepare('DELETE FROM idempotency WHERE scope = ? AND key = ? AND created_at = ?')
  const one = database.prepare('SELECT 1')
  return {
    generation(id: string): GenerationRecord | null {
      const row = generation.get(id)
      return row === undefined ? null : generationOf(row)
    },
    open: (): readonly GenerationRecord[] => open.all().map((row) => generationOf(row)),
    image(id: string): OwnedImage | null {
      const row = image.get(id)
      return row === undefined ? null : { ...imageOf(row), key: row['owner'] === null ? null : String(row['owner']) }
    },
    idempotency(scope: string, key: string): IdempotencyEntry | null {
      const row = idempotency.get(scope, key)
      return row === undefined ? null : idempotencyOf(row)
    },
    forgetIdempotency: ({ scope, key, createdAt }: Parameters<Store['forgetIdempotency']>[0]): void =>
      void forget.run(scope, key, createdAt),
    ping: (): void => void one.get(),
  }
}
