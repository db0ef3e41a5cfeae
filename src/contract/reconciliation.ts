import { z } from 'zod'
import { Usd } from './money.ts'

/** What an invoice's task is in our account. */
export const ReconciliationOutcome = z.enum([
  'equal',
  'settled',
  'confirmed',
  'differs',
  'unknown_task',
  'not_on_invoice',
  'unreadable',
  'ambiguous',
  'under_way',
])
export type ReconciliationOutcome = z.infer<typeof ReconciliationOutcome>

export const ReconciliationRow = z
  .object({
    outcome: ReconciliationOutcome.meta({
      description:
        '`equal`: the same amount. `settled`: the cost was unknown, and is the invoice’s. `confirmed`: so is one whose bill was not believed. `differs`: the account keeps its amount. `unknown_task`: nothing was bought under this id here. `not_on_invoice`: bought, and missing there. `unreadable`: the line cannot be read. `ambiguous`: several attempts have this id. `under_way`: not ended yet.',
    }),
    task_id: z.string().nullable().meta({ description: 'The vendor’s id of the task; null where a line has none.' }),
    lines: z.array(z.number().int()).meta({ description: 'Where it stands in the file, from 1; lines of one task add up.' }),
    provider: z.string().nullable(),
    model: z.string().nullable(),
    generation_id: z.string().nullable(),
    attempt_id: z.string().nullable(),
    settled_at: z.iso.datetime().nullable(),
    invoiced: Usd.nullable(),
    recorded: Usd.nullable().meta({ description: 'The cost in the account before this reconciliation; null where it was not known.' }),
    quoted: Usd.nullable(),
    reported: Usd.nullable().meta({ description: 'A bill of the vendor that was not believed.' }),
    difference: Usd.nullable().meta({ description: 'invoiced − recorded; null where one of them is not known.' }),
    explanation: z.string(),
  })
  .meta({ id: 'ReconciliationRow' })
export type ReconciliationRow = z.infer<typeof ReconciliationRow>

const Part = z.object({ count: z.number().int(), invoiced: Usd, recorded: Usd, difference: Usd })

/** An invoice beside the account. */
export const Reconciliation = z
  .object({
    object: z.literal('reconciliation'),
    applied: z.boolean().meta({ description: 'False: a dry run; nothing was written.' }),
    currency: z.literal('USD'),
    columns: z
      .object({ task: z.string(), amount: z.string(), currency: z.string().nullable() })
      .meta({ description: 'The columns that were read.' }),
    providers: z
      .array(z.string())
      .meta({ description: 'Whose attempts are expected on the invoice: the one asked for, else all it has tasks of.' }),
    from: z.iso.datetime().nullable(),
    to: z.iso.datetime().nullable().meta({ description: 'Exclusive. The days in which attempts are expected on the invoice.' }),
    lines: z.number().int().meta({ description: 'Lines of the file, without its header.' }),
    invoiced: Usd.meta({ description: 'The sum of all readable lines.' }),
    summary: z.record(ReconciliationOutcome, Part).meta({ description: 'By outcome, all rows, those left out of `rows` included.' }),
    rows: z.array(ReconciliationRow).meta({ description: 'Differences first, equal ones last; at most 2,000.' }),
    rows_left_out: z.number().int(),
  })
  .meta({ id: 'Reconciliation' })
export type Reconciliation = z.infer<typeof Reconciliation>
