import { setTimeout as sleep } from 'node:timers/promises'
import { isTerminal } from '#contract'
import { NoSlot } from '../../core/nodes.ts'
import type { UnitOfWork } from '../../core/ports.ts'
import { assertLeft } from '../rules/ledger-row.ts'
import { StoreError } from '../../core/ports.ts'
import { beforeLines, holdBudget, usedOf } from './budgets.ts'
import { generationChanges } from './changes/generations.ts'
import { ledgerChanges } from './changes/ledger.ts'
import { callChanges, comparisonChanges, deliveryChanges, idempotencyChange, imageChanges, keyChanges } from './changes/records.ts'
import type { Connection, Connections } from './connections.ts'
import { failureOf, isCollision, isConnectionLost } from './failure-of.ts'
import { inOrder } from './in-order.ts'
import { sayStatement } from './messages.ts'
import type { OpenOfKeys } from './open-of-keys.ts'
import { freeSlots, slotLocks, takeSlots } from './slots.ts'
import type { SlotCounts } from './slots.ts'
import { prepare } from './statement.ts'
import type { Statement } from './statement.ts'
import { linesOf } from './unit-lines.ts'
import { createUnitMarks } from './unit-marks.ts'
import type { UnitMark } from './unit-marks.ts'
import type { Work } from './work.ts'

/** The idempotency entry comes first: those that find it taken have locked nothing else. */
const changeKinds = [
  idempotencyChange,
  generationChanges,
  callChanges,
  imageChanges,
  comparisonChanges,
  keyChanges,
  deliveryChanges,
  ledgerChanges,
]

const TRIES = 5
const ASK_AGAIN_MS = 250
const INVALID_PARAMETER_VALUE = '22023'
const begin = prepare('BEGIN')
const commit = prepare('COMMIT')
const rollback = prepare('ROLLBACK')
const number = prepare('SELECT pg_current_xact_id()::text AS number')
const fate = prepare('SELECT pg_xact_status($1::text::xid8) AS fate')

interface UnitWriterDependencies {
  readonly connections: Connections
  readonly work: Work
  readonly slots: SlotCounts
  readonly openOfKeys: OpenOfKeys
  /** Of this process. */
  readonly node: string
}

export interface UnitWriter {
  /** One unit, one transaction. Rejects with the unit's own error, or a `StoreError`; nothing is written then. */
  write(unit: UnitOfWork): Promise<void>
  /** Ends what was handed in, then takes nothing more. */
  close(): Promise<void>
}

/**
 * Writes units side by side, each in its own transaction: the server flushes those that end together at once. Units about the same generation
 * keep their order. A unit takes two round trips, all its statements and then the commit; one that is held against a budget takes a third.
 *
 * Where the connection is lost before the commit was sent, nothing was written, and the unit is tried again. Where it is lost after that, the
 * server is asked by the transaction's number whether it has ended, as soon as it answers, and then for the mark that the unit left: a server
 * that crashed gives the number of a transaction it had not yet on disk to another one. A caller never gets an error for what is on disk, nor
 * success for what is not.
 */
export function unitWriter({ connections, work, slots, openOfKeys, node }: UnitWriterDependencies): UnitWriter {
  const order = inOrder()
  const marks = createUnitMarks(node)
  let isClosed = false

  async function tryOnce(unit: Bound): Promise<void> {
    if (unit.jobs.length > 0) await work.ready()
    const connection = await connections.take(unit.whose)
    const mark = marks.take()
    let isBroken = true
    let isHalfDone = true
    let isHeld = true
    const release = (): void => {
      if (isHeld) connection.release(isBroken)
      isHeld = false
    }
    try {
      const transaction = await written(connection, work, { ...unit, statements: [...unit.statements, mark.leave] })
      isHalfDone = false
      await connection.run(commit()).catch(async (error: unknown) => {
        if (!isConnectionLost(error)) throw error
        // What asks for its fate needs a connection as well: ten lost commits would wait for one another for ever.
        release()
        await waitForFate(connections, transaction, { lost: error, mark, isClosed: () => isClosed })
      })
      isBroken = false
    } catch (error) {
      isBroken = isConnectionLost(error) || (isHalfDone && !(await wasRolledBack(connection)))
      throw error
    } finally {
      release()
      mark.giveBack()
    }
  }

  async function untilDone(unit: Bound): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        return await tryOnce(unit)
      } catch (error) {
        const isWorthIt = isCollision(error) || (isConnectionLost(error) && !(error instanceof StoreError))
        if (!isWorthIt || tries === TRIES || isClosed) throw failureOf(error) ?? error
      }
      await sleep(tries * 10)
    }
  }

  return {
    async write(unit) {
      if (isClosed) throw new StoreError('closed', 'the store is closed; nothing was written')
      const bound = boundTo(unit, node, openOfKeys)
      if (bound.statements.length === 0) return
      await order.run(namesOf(unit), () => untilDone(bound), linesOf(unit, bound.locks)).catch(whereFull(slots, unit))
      noteJobs(work, bound)
    },
    async close() {
      isClosed = true
      await order.idle()
    },
  }
}

/** Returns where the transaction was committed. @throws what was lost where it was not, or StoreError */
async function waitForFate({ read }: Connections, transaction: string, { lost, mark, isClosed }: LostCommit): Promise<void> {
  for (;;) {
    const found = await read(fate(transaction)).then(
      ([row]) => String(row?.['fate']),
      (error: unknown) => (isOfTheFuture(error) ? 'lost' : 'unknown'),
    )
    if (found === 'aborted' || found === 'lost') throw lost
    if (found === 'committed' || found === 'null') {
      // Perhaps another transaction of that number. Asked only now: the mark of one that has ended is there, or will never be.
      const isThere = await read(mark.find).then(
        ({ length }) => length > 0,
        () => null,
      )
      if (isThere === true) return
      if (isThere === false) throw lost
    }
    if (isClosed()) throw new StoreError('closed', 'the store was closed before the database said what became of a write', { cause: lost })
    await sleep(ASK_AGAIN_MS)
  }
}

/** A number the server has not given yet: it crashed before the one who had it was on disk. */
const isOfTheFuture = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === INVALID_PARAMETER_VALUE

interface LostCommit {
  readonly lost: unknown
  readonly mark: UnitMark
  readonly isClosed: () => boolean
}

/** A unit as it was when it was handed in. */
interface Bound {
  /** The key it is for; undefined where it is for none. */
  readonly whose: string | undefined
  readonly locks: readonly Statement[]
  readonly statements: readonly Statement[]
  /** What becomes of the jobs of its generations. */
  readonly jobs: readonly { readonly id: string; readonly change: 'hold' | 'offer' | 'end' }[]
  readonly budget: UnitOfWork['budget'] | null
  readonly ledger: NonNullable<UnitOfWork['ledger']>
}

/** Before those who were refused wait for a slot, it is counted how many others have. */
const whereFull =
  (slots: SlotCounts, unit: UnitOfWork) =>
  async (error: unknown): Promise<never> => {
    if (error instanceof NoSlot) await slots.wasFull(unit.slots ?? [])
    throw error
  }

/** The unit is on disk. */
function noteJobs(work: Work, { jobs }: Bound): void {
  for (const { id, change } of jobs) {
    if (change === 'hold') work.opened(id)
    if (change === 'end') work.closed(id)
  }
}

function boundTo(unit: UnitOfWork, node: string, openOfKeys: OpenOfKeys): Bound {
  const { generations = [], slots = [], ledger = [], budget = null, lease, areNew = false, keyChange } = unit
  const heard = [...new Set(generations.map(({ id }) => id))].map((id) => sayStatement({ kind: 'changed', generationId: id }))
  if (keyChange && keyChange.kind !== 'used') heard.push(sayStatement({ kind: 'keys' }))
  const counted = openOfKeys.ask(unit)
  const [buyer] = generations
  const taken = buyer && slots.length > 0 ? takeSlots(slots, buyer.id, node) : []
  const freed = generations.flatMap((record) => freeSlots(record) ?? [])
  const jobs = generations.flatMap((record): Bound['jobs'] => {
    const isOpen = !isTerminal(record.status) || record.attempts.some(({ endedAt }) => endedAt === null)
    if (!isOpen) return areNew ? [] : [{ id: record.id, change: 'end' }]
    if (lease === undefined) return [{ id: record.id, change: 'offer' }]
    return areNew ? [{ id: record.id, change: 'hold' }] : []
  })
  return {
    whose: (buyer ?? unit.comparisons?.[0] ?? unit.deliveryChange?.record)?.key ?? undefined,
    locks: [...counted.locks, ...beforeLines(ledger)],
    // The provider's, for which all keys wait, behind the budget of one.
    statements: [...slotLocks(slots), ...counted.statements, ...changeKinds.flatMap((kind) => kind(unit)), ...taken, ...freed, ...heard],
    jobs,
    budget,
    ledger: [...ledger],
  }
}

/** What units must not overtake each other at. A unit of none of these still counts as handed in. */
function namesOf({ generations = [], deliveryChange, comparisons = [], keyChange, ledger = [] }: UnitOfWork): readonly string[] {
  const names = [...generations, ...comparisons].map(({ id }) => id)
  if (deliveryChange) names.push(deliveryChange.record.id)
  if (keyChange) names.push(`key ${'record' in keyChange ? keyChange.record.name : keyChange.name}`)
  return [...names, ...ledger.map(({ generationId }) => generationId), `unit ${unitCount++}`]
}
let unitCount = 0

/** Everything of a unit but its commit. Returns the transaction's number. @throws what refuses the unit */
async function written(connection: Connection, work: Work, unit: Bound): Promise<string> {
  const opening = [begin(), ...unit.locks]
  const sent = opening.map((statement) => connection.run(statement))
  if (unit.budget) {
    const used = (await all([...sent, ...holdBudget(unit.budget).map((statement) => connection.run(statement))])).at(-1)
    assertLeft(unit.budget, usedOf(used?.rows ?? []), unit.ledger)
  }
  const running = [...sent, connection.run(number()), ...unit.statements.map((statement) => connection.run(statement))]
  const jobs = unit.jobs.map(({ id, change }) =>
    change === 'end' ? work.close(connection, id) : work.open(connection, id, change === 'hold'),
  )
  const [results] = await Promise.all([all(running), all(jobs)])
  const ofUnit = results.slice(opening.length + 1)
  const more = unit.statements.flatMap((statement, index) => {
    const result = ofUnit[index]
    if (result === undefined) return []
    statement.check?.(result)
    return statement.afterwards?.(result) ?? []
  })
  if (more.length > 0) await all(more.map((statement) => connection.run(statement)))
  return String(results[opening.length]?.rows[0]?.['number'])
}

/** As `Promise.all`, but waits for the end of all: those after a failed one, in the order in which they were sent, fail with it and say nothing new. */
async function all<Done>(running: readonly Promise<Done>[]): Promise<readonly Done[]> {
  await Promise.allSettled(running)
  return Promise.all(running)
}

const wasRolledBack = (connection: Connection): Promise<boolean> =>
  connection.run(rollback()).then(
    () => true,
    () => false,
  )
