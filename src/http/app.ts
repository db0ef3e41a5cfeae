import type { IncomingHttpHeaders } from 'node:http'
import fastify, { LogController } from 'fastify'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { RequestSchema } from './request-schema.ts'
import { judge } from '#contract'
import { installAccess } from './access.ts'
import type { KeyRing } from './access.ts'
import { limitRequests, limitWhatIsOpen } from './limits/install-limits.ts'
import type { Limits } from './limits/limits.ts'
import { limitSockets } from './limits/sockets.ts'
import { refuseAmbiguousRequests } from './ambiguous-requests.ts'
import { installConnectionRules, noteBodies, serverOptions } from './connections.ts'
import type { ConnectionTimes } from './connections.ts'
import type { OriginDependencies } from './own-origin.ts'
import { installRequestContext } from './request-context.ts'
import { requestIdOf } from './request-id.ts'
import { answerInTurns } from './requests-in-turns.ts'
import { invalidRequest } from './invalid-request.ts'
import { installProblems, refuseWrongVerbs } from './problem.ts'
import type { ProblemDependencies } from './problem.ts'
import { acceptEmptyBodies, installJsonParser, refuseEncodedBodies } from './read-body.ts'
import { installCors } from './cors.ts'
import { rememberRoutes } from './known-routes.ts'
import { readNothingForHead } from './without-body.ts'
import { problemPages } from './problem-pages.ts'
import { pages } from './pages.ts'
import type { PageDependencies } from './pages.ts'
import { installDocs } from './docs.ts'
import { OWN_PATHS_ERRORS, ownPathsApis, reworded } from './compatible/own-paths.ts'
import type { OwnPathsDependencies } from './compatible/own-paths.ts'
import { COMPATIBLE_EXAMPLES } from './compatible/examples.ts'
import { OWN_EXAMPLES, providerExamples } from './openapi/examples.ts'
import { ERROR_SHAPES, KEY_HEADERS, SECURITY_SCHEMES, vendorApis } from './compatible/vendor-apis.ts'
import type { VendorApiDependencies } from './compatible/vendor-apis.ts'
import { attemptCallRoutes } from './api/attempt-calls.ts'
import type { AttemptCallDependencies } from './api/attempt-calls.ts'
import { backupRoutes } from './api/backup.ts'
import type { BackupDependencies } from './api/backup.ts'
import { comparisonRoutes } from './api/comparisons.ts'
import type { ComparisonDependencies } from './api/comparisons.ts'
import { costRoutes } from './api/costs.ts'
import type { CostDependencies } from './api/costs.ts'
import { generationEventRoutes } from './api/generation-events.ts'
import type { GenerationEventDependencies } from './api/generation-events.ts'
import { generationRoutes } from './api/generations.ts'
import type { GenerationDependencies } from './api/generations.ts'
import { healthRoutes } from './api/health.ts'
import type { HealthDependencies } from './api/health.ts'
import { hookRoutes } from './api/hooks.ts'
import type { HookDependencies } from './api/hooks.ts'
import { imageRoutes } from './api/images.ts'
import type { ImageDependencies } from './api/images.ts'
import { keyRoutes } from './api/keys.ts'
import type { KeyDependencies } from './api/keys.ts'
import { modelRoutes } from './api/models.ts'
import type { ModelDependencies } from './api/models.ts'
import { priceRoutes } from './api/prices.ts'
import type { PriceDependencies } from './api/prices.ts'
import { providerRoutes } from './api/providers.ts'
import type { ProviderDependencies } from './api/providers.ts'
import { quoteRoutes } from './api/quotes.ts'
import type { QuoteDependencies } from './api/quotes.ts'
import { reconciliationRoutes } from './api/reconciliations.ts'
import type { ReconciliationDependencies } from './api/reconciliations.ts'
import { webhookDeliveryRoutes } from './api/webhook-deliveries.ts'
import type { DeliveryDependencies } from './api/webhook-deliveries.ts'

/** What the application itself needs. */
interface OwnDependencies {
  readonly requestSchema: RequestSchema
  readonly keys: KeyRing
  readonly limits: Limits
  readonly origins: OriginDependencies
  readonly observeRequest: (request: { method: string; route: string; status: number; ms: number }) => void
  /** A route and a status that it is documented to answer with: counted from zero on. */
  readonly expectRequests: (answer: { method: string; route: string; status: number }) => void
  readonly bodyLimitBytes: number
  /** How long a reader may take nothing of a long answer; absent: a minute. */
  readonly unreadMs?: number | undefined
  /** How long what comes slowly is waited for; absent: as long as is promised. */
  readonly connectionTimes?: ConnectionTimes | undefined
  readonly log: FastifyBaseLogger
  readonly version: string
  /** Every vendor is emulated; every result and page says so. */
  readonly sandbox: boolean
}

/** What the HTTP side needs: what each of its routes states, together. Nothing here knows where it comes from. */
export type AppDependencies = OwnDependencies &
  GenerationDependencies &
  AttemptCallDependencies &
  GenerationEventDependencies &
  QuoteDependencies &
  CostDependencies &
  ReconciliationDependencies &
  ComparisonDependencies &
  ModelDependencies &
  PriceDependencies &
  ProviderDependencies &
  DeliveryDependencies &
  HealthDependencies &
  PageDependencies &
  KeyDependencies &
  ImageDependencies &
  HookDependencies &
  BackupDependencies &
  OwnPathsDependencies &
  VendorApiDependencies

export type App = FastifyInstance

/** The application without a socket: `app.inject` in tests, `listen` in `main.ts`. */
export async function buildApp(deps: AppDependencies): Promise<App> {
  const problems: ProblemDependencies = { publicUrl: deps.publicUrl, foreignError: (details) => reworded(details).body.error }
  const app = fastify({
    loggerInstance: deps.log,
    logController: new LogController({ disableRequestLogging: true }),
    // One logger for all requests: a child for each would cost more than the one line it writes.
    childLoggerFactory: (logger) => logger,
    bodyLimit: deps.bodyLimitBytes,
    routerOptions: { maxParamLength: 300, ignoreTrailingSlash: true },
    return503OnClosing: true,
    ...serverOptions(problems, [...ERROR_SHAPES, OWN_PATHS_ERRORS], deps.connectionTimes),
    genReqId: requestIdOf,
  }).withTypeProvider<ZodTypeProvider>()
  app.setValidatorCompiler<z.ZodType>(({ schema, httpPart }) => (httpPart === 'headers' ? judgeHeaders(schema) : judgeBy(schema)))
  // Response schemas document; what routes return is typed by the same schemas and checked against them in tests.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data))
  app.removeContentTypeParser('text/plain')
  limitSockets(app, deps.limits, problems)
  installRequestContext(app)
  rememberRoutes(app)
  installProblems(app, problems)
  noteBodies(app, problems)
  refuseAmbiguousRequests(app)
  await installCors(app, deps.origins.corsOrigins())
  installConnectionRules(app, problems, () => deps.keys.isOn(), deps.connectionTimes)
  limitRequests(app, deps.limits)
  installAccess(app, { keys: deps.keys, keyHeaders: KEY_HEADERS, origins: deps.origins })
  limitWhatIsOpen(app, deps.limits, deps.unreadMs)
  answerInTurns(app)
  readNothingForHead(app)
  refuseWrongVerbs(app)
  acceptEmptyBodies(app)
  installJsonParser(app)
  logRequests(app, deps)
  await installDocs(app, {
    ...deps,
    examples: { ...OWN_EXAMPLES, ...providerExamples(deps.installed()), ...COMPATIBLE_EXAMPLES },
    securitySchemes: SECURITY_SCHEMES,
  })
  problemPages(app)
  await pages(app, deps)
  await app.register(healthRoutes, deps)
  await app.register(imageRoutes, deps)
  await app.register(hookRoutes, deps)
  await app.register(vendorApis, deps)
  await app.register(async (own) => {
    refuseEncodedBodies(own)
    await own.register(generationRoutes, deps)
    await own.register(attemptCallRoutes, deps)
    await own.register(generationEventRoutes, deps)
    await own.register(quoteRoutes, deps)
    await own.register(costRoutes, deps)
    await own.register(reconciliationRoutes, deps)
    await own.register(comparisonRoutes, deps)
    await own.register(modelRoutes, deps)
    await own.register(priceRoutes, deps)
    await own.register(providerRoutes, deps)
    await own.register(webhookDeliveryRoutes, deps)
    await own.register(backupRoutes, deps)
    await own.register(keyRoutes, deps)
    await own.register(ownPathsApis, deps)
  })
  return app
}

type Validate = (data: unknown) => { readonly value?: unknown; readonly error?: Error }

const judgeBy =
  (schema: z.ZodType): Validate =>
  (data) => {
    const judged = judge(schema, data)
    return judged.kind === 'right' ? { value: judged.value } : { error: invalidRequest(judged.objections) }
  }

/** Most requests have none of the headers that their route reads: then there is nothing to judge, and no copy of the others is made. */
function judgeHeaders(schema: z.ZodType): Validate {
  const names = schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
  const without = judge(schema, {})
  const mayBeAbsent = without.kind === 'right' && Object.keys(without.value as object).length === 0
  const judgePresent = judgeBy(schema)
  return (data) => (mayBeAbsent && names.every((name) => (data as IncomingHttpHeaders)[name] === undefined) ? {} : judgePresent(data))
}

/** One line for each request: no body, no query, no key. */
function logRequests(app: FastifyInstance, { observeRequest, expectRequests, log }: OwnDependencies): void {
  app.addHook('onRoute', ({ method, url, schema }) => {
    for (const status of Object.keys(schema?.response ?? {}))
      for (const verb of [method].flat()) if (verb !== 'HEAD') expectRequests({ method: verb, route: url, status: Number(status) })
  })
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'unknown'
    const ms = Math.round(reply.elapsedTime)
    const { method, gatewayKey: key } = request
    const status = reply.statusCode
    // What is undefined is not written.
    log.info({ request_id: reply.getHeader('x-request-id') ?? request.id, method, route, status, ms, key: key ?? undefined }, 'request')
    observeRequest({ method, route, status, ms })
    done()
  })
}
