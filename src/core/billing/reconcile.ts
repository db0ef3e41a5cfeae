import { compareUsd } from '#contract'
import type { Reconciliation, ReconciliationRow } from '#contract'
import type { CostRow, GenerationRecord, Instant } from '../records.ts'
import type { Breathe, Clock, Log, Store } from '../ports.ts'
import { turnOf } from '../../reading/turn-of.ts'
import { isoOrNull } from '../instant.ts'
import { ChangedMeanwhile } from '../nodes.ts'
import { confirm, findUnknown } from './confirm.ts'
import { readInvoice } from './invoice.ts'
import { Refusal } from '../generation/refusal.ts'
import type { Invoice, InvoiceColumns, InvoicedTask, InvoiceTable } from './invoice.ts'
import {
  ambiguousTask,
  knownCost,
  lineWithoutTask,
  notOnInvoice,
  openTask,
  settledCost,
  spoiledTask,
  underWay,
  unknownTask,
} from './reconciliation-rows.ts'
import type { Recorded } from './reconciliation-rows.ts'
import { openTasksOn } from './open-tasks.ts'
import { rareIds } from './rare-ids.ts'
import { recorded, recordedTasks } from './recorded.ts'
import type { RecordedTasks } from './recorded.ts'
import { createSummary } from './reconciliation-summary.ts'

export interface ReconcileAsked {
  readonly columns: InvoiceColumns
  /** Only this provider's attempts; absent: whoever's the tasks are. */
  readonly provider?: string | undefined
  /** The settlements that are expected on the invoice; null: the days (UTC) between the first and the last task that is on it. */
  readonly from: Instant | null
  readonly to: Instant | null
  /** Whether unknown costs are settled; else only what would be done is said. */
  readonly apply: boolean
  /** Purchases whose task id never came back: the vendor's task id by the id of the attempt, or of a generation with one such attempt. */
  readonly attached: ReadonlyMap<string, string>
}

/** Puts a vendor's invoice beside the account. */
export interface Reconcile {
  /**
   * Settles what was unknown and explains the rest; a known cost is never changed. One at a time.
   * @throws Refusal where the invoice cannot be read
   */
  reconcile(table: InvoiceTable, asked: ReconcileAsked): Promise<Reconciliation>
}

export interface ReconcileDependencies {
  readonly store: Pick<Store, 'costs' | 'generation' | 'list' | 'commit'>
  /** Those that this process works on. */
  readonly openHere: () => Iterable<GenerationRecord>
  readonly clock: Pick<Clock, 'now'>
  readonly log: Pick<Log, 'info'>
  /** Lets everything else run while an invoice and the account are read. */
  readonly breather: (whose: string) => Breathe
}

/** More is no price of images: another column, or another unit. What is settled once is never changed again, and counts against a budget. */
const MOST_OF_A_TASK = '10000'

export function createReconcile(dependencies: ReconcileDependencies): Reconcile {
  const { store, breather } = dependencies
  let last: Promise<unknown> = Promise.resolve()

  async function reconcileOne(table: InvoiceTable, asked: ReconcileAsked): Promise<Reconciliation> {
    const breathe = breather(turnOf({}))
    const invoice = await readInvoice(table, asked.columns, breathe)
    const everything = { from: null, to: null, key: null, provider: asked.provider }
    const mayBeOn = await rareIds(invoice.tasks.keys(), breathe)
    const isOn = (id: string): boolean => mayBeOn(id) && invoice.tasks.has(id)
    const idOf = (row: CostRow): string | null => idOn(isOn, row, asked.attached)
    // Before the account: what ends meanwhile stands in it.
    const open = await openTasksOn(dependencies, invoice, asked.provider, breathe)
    const onInvoice = await recordedTasks(
      recorded(store, everything, (row) => idOf(row) !== null),
      idOf,
      asked.attached,
      breathe,
    )
    refuseUnattached(asked.attached, invoice, onInvoice)
    const { byTask } = onInvoice
    const summary = createSummary()
    for (const task of invoice.tasks.values()) {
      await breathe()
      const under = byTask.has(task.taskId) ? undefined : open.get(task.taskId)
      const { found, others } = attachedOf(byTask.get(task.taskId) ?? [], task, asked.attached)
      summary.add(under ? openTask(task, under) : await rowOf(dependencies, task, found, asked.apply))
      for (const one of others) if (one.amount !== '0') summary.add(notOnInvoice(one))
    }
    for (const { line, amount } of invoice.withoutTask) {
      await breathe()
      summary.add(lineWithoutTask(line, amount))
    }
    const providers = asked.provider === undefined ? onInvoice.providers : [asked.provider]
    const isExpected = (row: CostRow): boolean => providers.includes(row.provider) && idOf(row) === null
    const span = spanOf(asked, onInvoice)
    const missing = span.from === null && span.to === null ? [] : recorded(store, { ...everything, ...span }, isExpected)
    for await (const part of missing)
      for (const one of part) {
        await breathe()
        if (one.amount !== '0') summary.add(notOnInvoice(one))
      }
    return {
      object: 'reconciliation',
      applied: asked.apply,
      currency: 'USD',
      columns: invoice.columns,
      providers: [...providers],
      from: isoOrNull(span.from),
      to: isoOrNull(span.to),
      lines: invoice.lines,
      invoiced: invoice.total,
      ...summary.result(),
    }
  }

  return {
    reconcile(table, asked) {
      const work = last.then(() => reconcileOne(table, asked))
      last = work.catch(() => undefined)
      return work
    },
  }
}

/**
 * The id under which an attempt stands on the invoice; null where it does not. Our own attempt id is taken too: an operator writes it for a task
 * whose id never came back, or attaches the vendor's.
 */
function idOn(
  isOn: (id: string) => boolean,
  { task, attemptId, generationId }: CostRow,
  attached: ReconcileAsked['attached'],
): string | null {
  if (task.providerTaskId !== null && isOn(task.providerTaskId)) return task.providerTaskId
  const own = attached.size > 0 && task.providerTaskId === null ? (attached.get(attemptId) ?? attached.get(generationId)) : undefined
  if (own !== undefined) return own
  return isOn(attemptId) ? attemptId : null
}

/** Of several attempts with one id, that which the operator attached it to; the others are then on no line. */
function attachedOf(
  found: readonly Recorded[],
  { taskId }: InvoicedTask,
  attached: ReconcileAsked['attached'],
): { readonly found: readonly Recorded[]; readonly others: readonly Recorded[] } {
  const isNamed = ({ row }: Recorded): boolean => row.task.providerTaskId === taskId && attached.get(row.attemptId) === taskId
  const named = found.filter(isNamed)
  return named.length === 1 ? { found: named, others: found.filter((one) => !isNamed(one)) } : { found, others: [] }
}

/** @throws Refusal where a task that is to be attached is not on the invoice, or nothing without a task id was bought under the other id */
function refuseUnattached(attached: ReconcileAsked['attached'], { tasks }: Invoice, found: RecordedTasks): void {
  const refuse = (message: string) => new Refusal('invalid_request', `attach: ${message}`, [{ path: 'attach', message }])
  for (const [purchase, taskId] of attached) {
    if (!tasks.has(taskId)) throw refuse(`the invoice has no task ${JSON.stringify(taskId.slice(0, 100))}`)
    if (found.has(purchase)) continue
    const shown = JSON.stringify(purchase.slice(0, 100))
    throw refuse(`${shown} is no attempt or generation whose vendor’s task id is missing; \`attempt_id\` of a row not_on_invoice is one`)
  }
}

/** What is asked for, else the days of what is on the invoice. */
function spanOf({ from, to }: ReconcileAsked, { days }: RecordedTasks): { readonly from: Instant | null; readonly to: Instant | null } {
  if (from !== null || to !== null) return { from, to }
  return days ?? { from: null, to: null }
}

/** What became of one task of the invoice; an unknown cost is settled where that is asked. */
async function rowOf(
  dependencies: ReconcileDependencies,
  task: InvoicedTask,
  found: readonly Recorded[],
  apply: boolean,
): Promise<ReconciliationRow> {
  const invoiced = task.amount.total()
  const [first, ...others] = found
  if (task.fault !== null) return spoiledTask(task, first ?? null, task.fault)
  if (compareUsd(invoiced, MOST_OF_A_TASK) > 0) {
    const explanation = `The invoice has ${invoiced} US dollars for it, and no task costs more than ${MOST_OF_A_TASK}: see whether the right column and unit were read.`
    return spoiledTask(task, first ?? null, explanation)
  }
  if (!first) return unknownTask(task)
  if (others.length > 0) return ambiguousTask(task, found)
  if (first.amount !== null) return knownCost(task, first)
  const unknown = await findUnknown(dependencies.store, first.row)
  if (unknown === null) return underWay(task, first)
  if (unknown.settled !== null) return knownCost(task, { ...first, ...unknown.settled })
  if (compareUsd(invoiced, '0') < 0) return spoiledTask(task, first, `The invoice has less than nothing for it: ${invoiced}.`)
  if (apply) {
    const taskId = first.row.task.providerTaskId ?? (task.taskId === first.row.attemptId ? null : task.taskId)
    try {
      await confirm(dependencies, unknown, invoiced, taskId)
    } catch (error) {
      if (!(error instanceof ChangedMeanwhile)) throw error
      return rowOf(dependencies, task, found, apply)
    }
    const { generationId: generation, attemptId: attempt, provider } = first.row
    const fields = { generation, attempt, provider, amount: invoiced, reported: unknown.reported }
    dependencies.log.info(fields, 'a cost that was unknown is settled from an invoice')
  }
  return settledCost(task, first, { reported: unknown.reported, apply })
}
