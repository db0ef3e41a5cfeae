import type { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { Problem, Reconciliation } from '#contract'
import type { Reconcile } from '../../core/billing/reconcile.ts'
import { breather } from '../../reading/turn-share.ts'
import { HttpProblem } from '../http-problem.ts'
import { expectedOf, readJson, readLongText } from '../read-body.ts'
import { readCsv, readJsonLines, TableUnreadable } from '../read-table.ts'
import { sendWithList } from '../send-page.ts'
import { fieldProblem } from '../to-problem.ts'
import { endOf, Moment, momentOf } from './moment.ts'

export interface ReconciliationDependencies {
  readonly reconcile: Reconcile
}

const MOST_BYTES = 16 * 1024 * 1024
const CSV = 'text/csv'
const JSON_LINES = ['application/x-ndjson', 'application/jsonl']

const Column = z.string().min(1).max(100).optional()

const MOST_ATTACHED = 100
const Attachment = z
  .string()
  .max(500)
  .regex(/^.+=(?:att|gen)_\w+$/, 'write <vendor’s task id>=<attempt or generation id>')

const Query = z
  .strictObject({
    apply: z
      .enum(['true', 'false'])
      .optional()
      .meta({ description: '`true` settles unknown costs. Default false: a dry run, which says what would be done and writes nothing.' }),
    provider: z.string().min(1).max(100).optional().meta({ description: 'Whose invoice it is. Default: whoever’s its tasks are.' }),
    from: Moment.meta({ description: 'The first day (UTC) or instant that the invoice covers. Default: the day of its first task.' }),
    to: Moment.meta({ description: 'Its last day, or the instant it ends before. Default: the day of its last task.' }),
    task_column: Column.meta({ description: 'Default: the first of task_id, taskUUID, provider_task_id, request_id, id and the like.' }),
    amount_column: Column.meta({ description: 'Default: the first of amount, cost, price, charge, credits and the like.' }),
    currency_column: Column.meta({ description: 'Default: currency, where there is one.' }),
    unit: z
      .enum(['usd', 'cents'])
      .optional()
      .meta({ description: 'Of amounts without a currency. Default usd; cents for a column of cents or credits.' }),
    attach: z
      .preprocess((given) => (given === undefined ? given : [given].flat()), z.array(Attachment).max(MOST_ATTACHED).optional())
      .meta({
        description:
          '`<vendor’s task id>=<attempt or generation id>`, several times where needed: whose a task of the invoice is where its id never came back (`outcome_unknown`). With `apply=true` the attempt keeps the id.',
      }),
  })
  .refine(({ from, to }) => (momentOf(from) ?? 0) <= (endOf(to) ?? Infinity), { path: ['to'], message: 'is before from' })

/** A vendor's invoice beside the account. */
export const reconciliationRoutes: FastifyPluginAsyncZod<ReconciliationDependencies> = async (app, { reconcile }) => {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser([CSV, ...JSON_LINES], (request: FastifyRequest, payload: Readable) => readLongText(payload, expectedOf(request)))
  app.addContentTypeParser('*', async () => {
    const detail = `An invoice is read as ${CSV}, or as JSON lines (${JSON_LINES.join(', ')}): one object on each line.`
    throw new HttpProblem({ code: 'unsupported_media_type', detail })
  })
  const schema = {
    operationId: 'reconcileInvoice',
    summary: 'Reconcile a vendor’s invoice with the account',
    description:
      'Matches the invoice’s lines by the vendor’s task id. With `apply=true`, what cost an unknown amount, a bill that was not believed included, is settled at the invoice’s amount; every other difference is explained and nothing else is changed. The same file twice changes nothing more. At most 16 MiB and 200,000 lines.',
    tags: ['money'],
    consumes: [CSV, ...JSON_LINES],
    querystring: Query,
    takes: z.string().meta({ description: 'The file. Lines of one task add up.' }),
    response: { 200: Reconciliation, 400: Problem, 401: Problem, 403: Problem, 413: Problem, 415: Problem },
  }
  app.post('/v1/reconciliations', { schema, config: { access: 'admin' }, bodyLimit: MOST_BYTES }, async (request, reply) => {
    const { query, headers, body, gatewayKey, ip } = request
    const { apply, attach = [], provider, from, to, task_column: task, amount_column: amount, currency_column: currency, unit } = query
    // Where nothing came, no parser was asked.
    const pieces = (body as readonly string[] | undefined) ?? []
    const isCsv = (headers['content-type'] ?? '').toLowerCase().startsWith(CSV)
    try {
      const table = isCsv ? readCsv(pieces) : await readJsonLines(pieces, readJson, breather(gatewayKey ?? ip))
      const reconciliation = await reconcile.reconcile(table, {
        columns: { task, amount, currency, unit },
        provider,
        from: momentOf(from),
        to: endOf(to),
        apply: apply === 'true',
        attached: new Map(attach.map((text) => [text.slice(text.lastIndexOf('=') + 1), text.slice(0, text.lastIndexOf('='))])),
      })
      return await sendWithList(request, reply, reconciliation, 'rows')
    } catch (error) {
      if (error instanceof TableUnreadable) throw new HttpProblem(fieldProblem('body', error.message))
      throw error
    }
  })
}
