import { compareUsd, subtractUsd } from '#contract'
import type { Reconciliation, ReconciliationRow, Usd } from '#contract'
import type { CostRow, Instant } from '../records.ts'
import type { Log, Store } from '../ports.ts'
import { dayOf, iso, isoOrNull } from '../instant.ts'
import type { Clock } from '../ports.ts'
import { confirm, findUnknown } from './confirm.ts'
import { readInvoice } from './invoice.ts'
import type { Invoice, InvoiceColumns, InvoicedTask, InvoiceTable } from './invoice.ts'
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
  readonly store: Pick<Store, 'costs' | 'generation' | 'commit'>
  readonly clock: Pick<Clock, 'now'>
  readonly log: Pick<Log, 'info'>
  /** Lets everything else run for a moment. */
  readonly breathe: () => Promise<void>
}

/** An attempt in the account, with what was adjusted since. */
export interface Recorded {
  readonly row: CostRow
  /** Null where its cost is not known. */
  amount: Usd | null
}

const DAY_MS = 86_400_000

export function createReconcile(dependencies: ReconcileDependencies): Reconcile {
  const { store, log, breathe } = dependencies
  let last: Promise<unknown> = Promise.resolve()

  async function recorded(query: Parameters<Store['costs']>[0], isWanted: (row: CostRow) => boolean): Promise<readonly Recorded[]> {
    const found = new Map<string, Recorded>()
    for await (const page of store.costs(query)) {
      for (const row of page) {
        if (!isWanted(row)) continue
        const before = found.get(row.attemptId)
        // An adjustment has the instant of the settlement it completes, and stands behind it.
        if (before) before.amount = row.amount
        else found.set(row.attemptId, { row, amount: row.amount })
      }
    }
    return [...found.values()]
  }

  async function reconcileOne(table: InvoiceTable, asked: ReconcileAsked): Promise<Reconciliation> {
    const invoice = await readInvoice(table, asked.columns, breathe)
    const everything = { from: null, to: null, key: null, provider: asked.provider }
    const onInvoice = await recorded(everything, (row) => idOn(invoice, row) !== null)
    const span = spanOf(asked, onInvoice)
    const summary = createSummary()
    const byTask = Map.groupBy(onInvoice, ({ row }) => idOn(invoice, row))
    let checked = 0
    for (const task of invoice.tasks.values()) {
      if (++checked % 500 === 0) await breathe()
      summary.add(await rowOf(task, byTask.get(task.taskId) ?? [], asked.apply))
    }
    for (const { line, amount } of invoice.withoutTask) summary.add(withoutTask(line, amount))
    const providers = asked.provider === undefined ? [...new Set(onInvoice.map(({ row }) => row.provider))].toSorted() : [asked.provider]
    const isExpected = (row: CostRow): boolean => providers.includes(row.provider) && idOn(invoice, row) === null
    const missing = span.from === null && span.to === null ? [] : await recorded({ ...everything, ...span }, isExpected)
    for (const one of missing) if (one.amount !== '0') summary.add(notOnInvoice(one))
    return {
      object: 'reconciliation',
      applied: asked.apply,
      currency: 'USD',
      columns: invoice.columns,
      providers,
      from: isoOrNull(span.from),
      to: isoOrNull(span.to),
      lines: invoice.lines,
      invoiced: invoice.total,
      ...summary.result(),
    }
  }

  async function rowOf(task: InvoicedTask, found: readonly Recorded[], apply: boolean): Promise<ReconciliationRow> {
    const invoiced = task.amount.total()
    const [first, ...others] = found
    if (task.fault !== null) return { ...taskRow(task, first ?? null), outcome: 'unreadable', invoiced: null, explanation: task.fault }
    if (!first)
      return { ...taskRow(task, null), outcome: 'unknown_task', explanation: 'Nothing was bought under this id through this gateway.' }
    if (others.length > 0) {
      const who = found.map(({ row }) => `${row.provider} ${row.generationId}`).join(', ')
      return { ...taskRow(task, null), outcome: 'ambiguous', explanation: `Several attempts have this id (${who}); name the provider.` }
    }
    if (first.amount !== null) return known(task, first, invoiced)
    const unknown = await findUnknown(store, first.row)
    if (unknown === null)
      return { ...taskRow(task, first), outcome: 'under_way', explanation: 'The generation has not ended; reconcile again when it has.' }
    const { reported } = unknown
    if (compareUsd(invoiced, '0') < 0)
      return {
        ...taskRow(task, first),
        reported,
        outcome: 'unreadable',
        explanation: `The invoice has less than nothing for it: ${invoiced}.`,
      }
    if (apply) {
      await confirm(dependencies, unknown, invoiced)
      log.info(
        { generation: first.row.generationId, attempt: first.row.attemptId, provider: first.row.provider, amount: invoiced, reported },
        'a cost that was unknown is settled from an invoice',
      )
    }
    return settled(task, first, { invoiced, reported, apply })
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
 * whose id never came back.
 */
function idOn({ tasks }: Invoice, { task, attemptId }: CostRow): string | null {
  if (task.providerTaskId !== null && tasks.has(task.providerTaskId)) return task.providerTaskId
  return tasks.has(attemptId) ? attemptId : null
}

/** What is asked for, else the whole days between the first and the last settlement that is on the invoice. */
function spanOf({ from, to }: ReconcileAsked, found: readonly Recorded[]): { readonly from: Instant | null; readonly to: Instant | null } {
  if (from !== null || to !== null) return { from, to }
  const instants = found.map(({ row }) => row.at)
  if (instants.length === 0) return { from: null, to: null }
  const first = instants.reduce((least, at) => Math.min(least, at))
  const last = instants.reduce((most, at) => Math.max(most, at))
  return { from: Date.parse(dayOf(first)), to: Date.parse(dayOf(last)) + DAY_MS }
}

/** What stands in every row. */
function taskRow(
  task: Pick<InvoicedTask, 'taskId' | 'lines' | 'amount'>,
  found: Recorded | null,
): Omit<ReconciliationRow, 'outcome' | 'explanation'> {
  const invoiced = task.amount.total()
  return {
    task_id: task.taskId,
    lines: [...task.lines],
    ...recordedPart(found),
    invoiced,
    reported: null,
    difference: found !== null && found.amount !== null ? subtractUsd(invoiced, found.amount) : null,
  }
}

const recordedPart = (found: Recorded | null) => ({
  provider: found?.row.provider ?? null,
  model: found?.row.model ?? null,
  generation_id: found?.row.generationId ?? null,
  attempt_id: found?.row.attemptId ?? null,
  settled_at: found ? iso(found.row.at) : null,
  recorded: found?.amount ?? null,
  quoted: found?.row.task.quoted ?? null,
})

const BASES: Readonly<Partial<Record<CostRow['kind'], string>>> = {
  billed: 'billed by the provider in its reply',
  computed: 'computed by our price rule',
}

function known(task: InvoicedTask, found: Recorded, invoiced: Usd): ReconciliationRow {
  const row = taskRow(task, found)
  const { amount, row: line } = found
  if (amount === null || compareUsd(invoiced, amount) === 0)
    return { ...row, outcome: 'equal', explanation: 'The invoice has what the account has.' }
  const difference = subtractUsd(invoiced, amount)
  const [more, size] = compareUsd(difference, '0') > 0 ? ['more', difference] : ['less', subtractUsd('0', difference)]
  const basis = BASES[line.kind] ?? 'settled from an invoice'
  const quote = line.task.quoted === null ? 'without a quote' : `quoted at ${line.task.quoted}`
  const end = line.task.images === 0 ? `; it delivered nothing (${line.task.code ?? line.task.status})` : ''
  const explanation = `The invoice has ${size} USD ${more} than the account, which has ${amount}, ${basis}, ${quote}${end}. The account keeps its amount; ask the vendor.`
  return { ...row, outcome: 'differs', explanation }
}

function settled(
  task: InvoicedTask,
  found: Recorded,
  { invoiced, reported, apply }: { readonly invoiced: Usd; readonly reported: Usd | null; readonly apply: boolean },
): ReconciliationRow {
  const verb = apply ? 'is settled' : 'would be settled'
  const row = { ...taskRow(task, found), reported }
  if (reported === null)
    return {
      ...row,
      outcome: 'settled',
      explanation: `The cost was unknown (${found.row.task.code ?? found.row.task.status}) and ${verb} at ${invoiced}.`,
    }
  const agrees = compareUsd(reported, invoiced) === 0 ? 'the invoice confirms it' : `the invoice has ${invoiced}`
  return {
    ...row,
    outcome: 'confirmed',
    explanation: `A bill of ${reported} was not believed; ${agrees}, and the cost ${verb} at ${invoiced}.`,
  }
}

const withoutTask = (line: number, amount: Usd | null): ReconciliationRow => ({
  ...recordedPart(null),
  task_id: null,
  lines: [line],
  invoiced: amount,
  reported: null,
  difference: null,
  outcome: 'unreadable',
  explanation: `line ${line} names no task: a total or a fee is not matched.`,
})

function notOnInvoice(found: Recorded): ReconciliationRow {
  const { row, amount } = found
  const what = amount === null ? 'at an unknown cost' : `for ${amount}`
  const id = row.task.providerTaskId === null ? ', and the vendor gave no task id to find it by' : ''
  return {
    ...recordedPart(found),
    task_id: row.task.providerTaskId,
    lines: [],
    invoiced: null,
    reported: null,
    difference: null,
    outcome: 'not_on_invoice',
    explanation: `Bought ${what} on ${dayOf(row.at)}, and not on the invoice${id}.`,
  }
}
