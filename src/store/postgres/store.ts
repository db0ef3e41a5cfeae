import { randomUUID } from 'node:crypto'
import type { Store } from '../../core/ports.ts'
import { StoreError } from '../../core/ports.ts'
import { openState } from '../open-state.ts'
import { accountReader } from './account.ts'
import { breakerKeeper } from './breakers.ts'
import { readServerClock } from './clock.ts'
import { comparisonReader } from './comparisons.ts'
import { openConnections } from './connections.ts'
import type { Whose } from './connections.ts'
import { dayTotaller } from './cost-days.ts'
import { deliveryReader } from './deliveries.ts'
import { generationReader } from './generations.ts'
import { keyNamer, keyReader } from './keys.ts'
import { migrate } from './migrate.ts'
import { nodesOf } from './nodes.ts'
import { openOfKeys } from './open-of-keys.ts'
import { createPresence } from './presence.ts'
import { joinDatabase } from './sharing.ts'
import { createSlotCounts } from './slots.ts'
import { prepare } from './statement.ts'
import { unitWriter } from './unit-writer.ts'
import { workBegins } from './untouched-move.ts'
import { createWork } from './work.ts'

const forget = prepare('DELETE FROM idempotency WHERE scope = $1 AND key = $2 AND created_at = $3')
/** Answered only where the schema is. */
const isThere = prepare('SELECT version FROM schema_version')

const BACKED_UP_ELSEWHERE =
  'This gateway keeps its data in PostgreSQL, which has tools of its own: run `pg_dump --schema=imagegate` on that database, and copy the image folder or the bucket; see docs/postgres.md.'

interface PostgresOptions {
  readonly patienceMs?: number
  readonly whoseRequest?: Whose
}

/**
 * The store in a PostgreSQL database, which any number of processes may share. The schema is made where it is missing.
 * @param url `postgres://user@host/database`
 * @param options.patienceMs how long it waits for a process that keeps the database to itself
 * @param options.whoseRequest in whose turn the connections are had that a request needs
 * @throws StoreError where the database cannot be reached, does not take us, is kept by another process, or was written by a newer version
 */
export async function openPostgresStore(url: string, options: PostgresOptions = {}): Promise<Store> {
  const { node, sharing, connections, nodes, slots, work, leave } = await join(url, options)
  const writer = unitWriter({ connections, work, slots, openOfKeys: openOfKeys(), node })
  const generations = generationReader(connections)
  const comparisons = comparisonReader(connections)
  const deliveries = deliveryReader(connections)
  const account = accountReader(connections)
  const keys = keyReader(connections)
  const { isClosed, close, whileOpen, pagesWhileOpen } = openState()

  return {
    commit: (unit) => writer.write(unit),
    forgetIdempotency: whileOpen(async ({ scope, key, createdAt }) => void (await connections.read(forget(scope, key, createdAt)))),
    generation: whileOpen(generations.generation),
    list: whileOpen(generations.list),
    claimOpen: whileOpen(work.claim),
    attemptCalls: whileOpen(generations.attemptCalls),
    image: whileOpen(generations.image),
    idempotency: whileOpen(generations.idempotency),
    providerHours: whileOpen(account.providerHours),
    budgetUsed: whileOpen(account.budgetUsed),
    observedBills: whileOpen(account.observedBills),
    costs: pagesWhileOpen((query) => account.costs(query)),
    costSums: pagesWhileOpen((query) => account.costSums(query)),
    addUpDay: whileOpen(dayTotaller(connections)),
    comparison: whileOpen(comparisons.comparison),
    comparisons: whileOpen(comparisons.comparisons),
    unbegunComparisons: whileOpen(comparisons.unbegunComparisons),
    delivery: whileOpen(deliveries.delivery),
    deliveries: whileOpen(deliveries.deliveries),
    planLateDeliveries: whileOpen(deliveries.planLateDeliveries),
    claimDeliveries: whileOpen(async (claim: Parameters<Store['claimDeliveries']>[0]) => {
      // What processes that are gone had claimed is free then.
      await work.ready()
      return deliveries.claimDeliveries(claim)
    }),
    nameKeys: whileOpen(keyNamer(connections)),
    async copyTo() {
      throw new StoreError('elsewhere', BACKED_UP_ELSEWHERE)
    },
    keys: whileOpen(keys.keys),
    secret: whileOpen(keys.secret),
    nodes,
    ping: whileOpen(async () => void (await connections.read(isThere()))),
    async close() {
      if (isClosed()) return
      await writer.close()
      close()
      await leave()
      await connections.close()
      await sharing.release()
    },
  }
}

/** Everything that is shared with the other processes. */
async function join(url: string, { whoseRequest, ...options }: PostgresOptions) {
  const node = randomUUID()
  const sharing = await joinDatabase(url, { prepareSchema: migrate, how: 'shared', ...options })
  const connections = openConnections(url, whoseRequest)
  const begins = workBegins(connections.read).then(() => readServerClock(connections))
  const clock = await begins.catch(async (error: unknown) => {
    await Promise.all([connections.close(), sharing.release()])
    throw error
  })
  const nodes = nodesOf(connections, sharing, { now: clock.now, onFreed: (provider) => slots.wasFreed(provider) })
  const slots = createSlotCounts(connections, node, nodes.heard)
  const work = createWork({
    url,
    node,
    connections,
    connectedMs: sharing.connectedMs,
    onLost: (generationIds) => nodes.heard({ kind: 'lost', generationIds }),
  })
  const { report, list, stop } = createPresence(connections, node)
  return {
    node,
    sharing,
    connections,
    nodes: {
      ...nodes,
      ...breakerKeeper(connections),
      now: clock.now,
      begin: work.ready,
      slotsElsewhere: slots.elsewhere,
      waitForSlots: slots.waitFor,
      tasksElsewhere: slots.allElsewhere,
      takeTurn: work.takeTurn,
      report,
      list,
    },
    slots,
    work,
    async leave() {
      slots.stop()
      await clock.stop()
      await stop()
      await work.stop()
    },
  }
}
