import { compareUsd, subtractUsd } from '#contract'
import type { ReconciliationRow, Usd } from '#contract'
import type { AttemptRecord, CostRow, GenerationRecord } from '../records.ts'
import { dayOf, iso } from '../instant.ts'
import type { InvoicedTask } from './invoice.ts'
import { quotedShare } from './ledger.ts'

/** An attempt in the account, with what was adjusted since. */
export interface Recorded {
  readonly row: CostRow
  /** Null where its cost is not known. */
  amount: Usd | null
  /** What of it the provider takes outside the call. */
  surcharge: Usd | undefined
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

/** One of its lines, or their sum, cannot be what it cost. */
export const spoiledTask = (task: InvoicedTask, found: Recorded | null, explanation: string): ReconciliationRow => ({
  ...taskRow(task, found),
  invoiced: null,
  difference: null,
  outcome: 'unreadable',
  explanation,
})

export const unknownTask = (task: InvoicedTask): ReconciliationRow => ({
  ...taskRow(task, null),
  outcome: 'unknown_task',
  explanation: 'Nothing was bought under this id through this gateway. If it is a purchase whose reply was lost, attach it.',
})

export const ambiguousTask = (task: InvoicedTask, found: readonly Recorded[]): ReconciliationRow => ({
  ...taskRow(task, null),
  outcome: 'ambiguous',
  explanation: `Several attempts have this id (${found.map(({ row }) => `${row.provider} ${row.attemptId} of ${row.generationId}`).join(', ')}); name the provider, or attach the task to one attempt.`,
})

const NOT_ENDED = 'The generation has not ended; reconcile again when it has.'

/** An attempt that nothing stands in the account of yet. */
export interface OpenTask {
  readonly generation: GenerationRecord
  readonly attempt: AttemptRecord
}

export function openTask(task: InvoicedTask, { generation, attempt }: OpenTask): ReconciliationRow {
  const route = generation.routes[attempt.route]
  return {
    ...taskRow(task, null),
    provider: route?.provider ?? null,
    model: route?.model ?? null,
    generation_id: generation.id,
    attempt_id: attempt.id,
    quoted: route === undefined ? null : quotedShare(route, attempt),
    outcome: 'under_way',
    explanation: NOT_ENDED,
  }
}

export const underWay = (task: InvoicedTask, found: Recorded): ReconciliationRow => ({
  ...taskRow(task, found),
  outcome: 'under_way',
  explanation: NOT_ENDED,
})

const BASES: Readonly<Partial<Record<CostRow['kind'], string>>> = {
  billed: 'billed by the provider in its reply',
  computed: 'computed by our price rule',
}

/** What the account has without the surcharge, which no invoice of calls has. */
const providersPart = ({ amount, surcharge }: Recorded): Usd | null =>
  amount === null || surcharge === undefined ? amount : subtractUsd(amount, surcharge)

export function knownCost(task: InvoicedTask, found: Recorded): ReconciliationRow {
  const row = taskRow(task, found)
  const invoiced = task.amount.total()
  const { row: line } = found
  const amount = providersPart(found)
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

export function settledCost(
  task: InvoicedTask,
  found: Recorded,
  { reported, apply }: { readonly reported: Usd | null; readonly apply: boolean },
): ReconciliationRow {
  const invoiced = task.amount.total()
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

/** A total, or a fee. */
export const lineWithoutTask = (line: number, amount: Usd | null): ReconciliationRow => ({
  ...recordedPart(null),
  task_id: null,
  lines: [line],
  invoiced: amount,
  reported: null,
  difference: null,
  outcome: 'unreadable',
  explanation: `line ${line} names no task: a total or a fee is not matched.`,
})

export function notOnInvoice(found: Recorded): ReconciliationRow {
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
