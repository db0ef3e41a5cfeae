import fastify, { LogController } from 'fastify'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { z } from 'zod'
import type { Accept } from '../core/generation/accept.ts'
import type { Compare } from '../core/comparisons/compare.ts'
import type { Costs } from '../core/billing/cost-report.ts'
import type { Run } from '../core/generation/run.ts'
import type { Intake } from './intake.ts'
import type { Assets, Clock, Post, Store } from '../core/ports.ts'
import type { RequestSchema } from './request-schema.ts'
import { requireKey } from './auth.ts'
import type { KeyNames } from './auth.ts'
import { invalidRequest } from './invalid-request.ts'
import { installProblems } from './problem.ts'
import { installDocs } from './docs.ts'
import type { BudgetLeft } from './compatible/dollars-left.ts'
import { mcpDoor } from './compatible/mcp/mcp-server.ts'
import { openaiDoor } from './compatible/openai/openai-api.ts'
import { vendorDoors } from './compatible/vendor-apis.ts'
import { comparisonRoutes } from './api/comparisons.ts'
import { generationRoutes } from './api/generations.ts'
import { hookRoutes } from './api/hooks.ts'
import type { HookDependencies } from './api/hooks.ts'
import { generationEventRoutes } from './api/generation-events.ts'
import { healthRoutes } from './api/health.ts'
import { imageRoutes } from './api/images.ts'
import { modelRoutes } from './api/models.ts'
import { providerRoutes } from './api/providers.ts'
import { costRoutes } from './api/costs.ts'
import { quoteRoutes } from './api/quotes.ts'
import { webhookDeliveryRoutes } from './api/webhook-deliveries.ts'
import type { DeliveryDependencies } from './api/webhook-deliveries.ts'
import type { ModelSource } from './api/models.ts'
import type { ProviderSource } from './api/providers.ts'

/** What the HTTP side needs; nothing here knows where it comes from. */
export interface AppDependencies {
  readonly run: Run
  readonly accept: Accept
  readonly costs: Costs
  readonly intake: Intake
  readonly compare: Compare
  readonly store: Store
  readonly assets: Assets
  readonly clock: Clock
  readonly requestSchema: RequestSchema
  readonly models: ModelSource
  readonly providers: ProviderSource
  readonly keyNames: KeyNames
  /** Prometheus text. */
  readonly metrics: () => Promise<string>
  readonly observeRequest: (request: { method: string; route: string; status: number; ms: number }) => void
  /** Null while requests may be taken; else why not. */
  readonly notReady: () => Promise<string | null>
  readonly publicUrl: () => string
  readonly notify: DeliveryDependencies['notify']
  readonly hooks: HookDependencies['hooks']
  readonly hookSecretHeader: HookDependencies['hookSecretHeader']
  /** Tells webhooks named in a vendor’s own shape; without it they are refused. */
  readonly post?: Post
  /** What is left of a gateway key’s budget. */
  readonly budgetLeft?: BudgetLeft
  readonly bodyLimitBytes: number
  readonly log: FastifyBaseLogger
  readonly version: string
  /** Every vendor is emulated; every result and page says so. */
  readonly sandbox: boolean
}

export type App = FastifyInstance

/** The application without a socket: `app.inject` in tests, `listen` in `main.ts`. */
export async function buildApp(deps: AppDependencies): Promise<App> {
  const app = fastify({
    loggerInstance: deps.log,
    logController: new LogController({ disableRequestLogging: true }),
    // One logger for all requests: a child for each would cost more than the one line it writes.
    childLoggerFactory: (logger) => logger,
    bodyLimit: deps.bodyLimitBytes,
    routerOptions: { maxParamLength: 300, ignoreTrailingSlash: true },
    return503OnClosing: true,
  }).withTypeProvider<ZodTypeProvider>()
  app.setValidatorCompiler<z.ZodType>(({ schema }) => (data) => {
    const parsed = schema.safeParse(data)
    return parsed.success ? { value: parsed.data } : { error: invalidRequest(parsed.error.issues) }
  })
  // Response schemas document; what routes return is typed by the same schemas and checked against them in tests.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data))
  app.removeContentTypeParser('text/plain')
  app.decorateRequest('gatewayKey', null)
  installProblems(app)
  logRequests(app, deps)
  await installDocs(app, deps.version, deps.sandbox)
  await app.register(healthRoutes, deps)
  await app.register(imageRoutes, deps)
  // Its addresses are their own proof.
  await app.register(hookRoutes, deps)
  await app.register(vendorDoors, deps)
  await app.register(async (guarded) => {
    requireKey(guarded, deps.keyNames)
    await guarded.register(generationRoutes, deps)
    await guarded.register(generationEventRoutes, deps)
    await guarded.register(quoteRoutes, deps)
    await guarded.register(costRoutes, deps)
    await guarded.register(comparisonRoutes, deps)
    await guarded.register(modelRoutes, deps)
    await guarded.register(providerRoutes, deps)
    await guarded.register(webhookDeliveryRoutes, deps)
    await guarded.register(openaiDoor, deps)
    await guarded.register(mcpDoor, deps)
  })
  return app
}

/** One line for each request: no body, no query, no key. */
function logRequests(app: FastifyInstance, { observeRequest, log }: AppDependencies): void {
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'unknown'
    const ms = Math.round(reply.elapsedTime)
    const line = { method: request.method, route, status: reply.statusCode, ms, ...(request.gatewayKey ? { key: request.gatewayKey } : {}) }
    log.info(line, 'request')
    observeRequest(line)
    done()
  })
}
