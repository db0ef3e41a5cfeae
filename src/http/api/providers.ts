import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Caller } from '../../core/keys/caller.ts'
import { mayUseModel, mayUseProvider } from '../../core/keys/may-use.ts'
import { ConfigurationState, GatewayNode, Latency, Problem, ProviderState } from '#contract'
import { iso } from '../../core/instant.ts'
import type { Clock, Store } from '../../core/ports.ts'
import { HttpProblem } from '../http-problem.ts'
import { fieldProblem } from '../to-problem.ts'
import { endOf, Moment, momentOf } from './moment.ts'

const ProviderList = z
  .object({
    object: z.literal('list'),
    data: z.array(ProviderState),
    configuration: ConfigurationState,
    nodes: z.array(GatewayNode).nullable().meta({
      description: 'The gateways on this database that were heard of in the last 15 seconds; null where the database is one gateway’s own.',
    }),
  })
  .meta({ id: 'ProviderList' })

export interface ProviderSource {
  list(): Promise<readonly ProviderState[]>
  configuration(): ConfigurationState
  nodes(): Promise<readonly GatewayNode[] | null>
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** A month of hours. */
const LONGEST_MS = 31 * DAY_MS

const ProviderHistory = z
  .object({
    object: z.literal('provider_history'),
    provider: z.string(),
    sandbox: z.boolean(),
    by: z.literal('hour'),
    from: z.iso.datetime(),
    to: z.iso.datetime(),
    data: z.array(
      z.object({
        starts_at: z.iso.datetime(),
        succeeded: z.number().int(),
        failed: z
          .number()
          .int()
          .meta({ description: 'Tasks that ended in the provider’s own fault; what was moderated or canceled counts nowhere.' }),
        latency_ms: Latency.nullable().meta({
          description: 'From submit to result, within 1 %, of `samples` tasks that ended in this hour; null where no task’s time is known.',
        }),
      }),
    ),
  })
  .meta({ id: 'ProviderHistory' })

const HistoryQuery = z.strictObject({
  from: Moment.meta({ description: 'A day (UTC) or an instant; the last 24 hours where it is left out. At most 31 days before `to`.' }),
  to: Moment.meta({ description: 'A day, which is included, or an instant; now where it is left out.' }),
  by: z.literal('hour').optional(),
})

export interface ProviderDependencies {
  readonly providers: ProviderSource
  readonly store: Pick<Store, 'providerHours'>
  readonly clock: Pick<Clock, 'now'>
  readonly installed: () => readonly string[]
  readonly sandbox: boolean
}

export const providerRoutes: FastifyPluginAsyncZod<ProviderDependencies> = async (app, deps) => {
  const { providers } = deps
  const schema = {
    operationId: 'listProviders',
    summary: 'Providers: state, load, health, balance',
    tags: ['catalogue'],
    response: { 200: ProviderList, 401: Problem },
  }
  app.get('/v1/providers', { schema, config: { access: 'read' } }, async (request) => ({
    object: 'list' as const,
    data: shownTo(request.caller, await providers.list()),
    configuration: configurationFor(request.caller, providers.configuration()),
    nodes: (await providers.nodes())?.map((node) => ({ ...node })) ?? null,
  }))
  historyRoute(app, deps)
}

/** What a reload changed, and why one was refused, names other keys, their budgets and what was negotiated. */
const configurationFor = ({ isAdmin }: Caller, state: ConfigurationState): ConfigurationState =>
  isAdmin
    ? state
    : { ...state, file: null, changes: [], waits_for_restart: [], refused: state.refused && { ...state.refused, problems: [] } }

/** The providers that a key may use, each with the models that it may use there. */
const shownTo = ({ models: names, providers }: Caller, all: readonly ProviderState[]): ProviderState[] =>
  all
    .filter(({ id }) => mayUseProvider(providers, id))
    .map((provider) => {
      const models = provider.models.filter((model) => [model, `${provider.id}/${model}`].some((name) => mayUseModel(names, name, model)))
      return { ...provider, models }
    })

function historyRoute(app: Parameters<FastifyPluginAsyncZod>[0], { store, clock, installed, sandbox }: ProviderDependencies): void {
  const schema = {
    operationId: 'getProviderHistory',
    summary: 'How a provider did, hour by hour',
    description:
      'Paid tasks of all keys that ended in each hour, oldest first, hours without any included: how many succeeded and failed, and how long they took. Kept over restarts; a sandbox has its own.',
    tags: ['catalogue'],
    params: z.object({ id: z.string().max(100) }),
    querystring: HistoryQuery,
    response: { 200: ProviderHistory, 400: Problem, 401: Problem, 404: Problem },
  }
  app.get('/v1/providers/:id/history', { schema, config: { access: 'read' } }, async (request) => {
    const { id } = request.params
    if (!installed().includes(id) || !mayUseProvider(request.caller.providers, id))
      throw new HttpProblem({ code: 'not_found', detail: `There is no provider ${id}.` })
    const to = endOf(request.query.to) ?? clock.now()
    const from = hourOf(momentOf(request.query.from) ?? to - DAY_MS)
    if (to <= from) throw new HttpProblem(fieldProblem('to', 'it must be later than `from`'))
    if (to - from > LONGEST_MS + HOUR_MS) throw new HttpProblem(fieldProblem('from', 'it must be at most 31 days before `to`'))
    const known = new Map((await store.providerHours(id, from, to)).map((hour) => [hour.startsAt, hour]))
    const starts = Array.from({ length: Math.ceil((to - from) / HOUR_MS) }, (_, index) => from + index * HOUR_MS)
    const data = starts.map((start) => {
      const { succeeded = 0, failed = 0, durationMs = null } = known.get(start) ?? {}
      return { starts_at: iso(start), succeeded, failed, latency_ms: durationMs }
    })
    return { object: 'provider_history' as const, provider: id, sandbox, by: 'hour' as const, from: iso(from), to: iso(to), data }
  })
}

const hourOf = (instant: number): number => Math.floor(instant / HOUR_MS) * HOUR_MS
