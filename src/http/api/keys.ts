import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { CurrentKey, GatewayKeyState, GatewayKeyWithSecret, NewGatewayKey, Problem, RotateGatewayKey } from '#contract'
import { iso, isoOrNull } from '../../core/instant.ts'
import { KeyRefused } from '../../core/keys/gateway-keys.ts'
import type { Costs } from '../../core/billing/cost-report.ts'
import type { GatewayKeys, ListedKey, NewKey } from '../../core/keys/gateway-keys.ts'
import { HttpProblem } from '../http-problem.ts'
import { fieldProblem } from '../to-problem.ts'

export interface KeyDependencies {
  readonly costs: Pick<Costs, 'budgets'>
  readonly gatewayKeys: Pick<GatewayKeys, 'list' | 'create' | 'rotate' | 'revoke'>
  /** What is wrong with the models and providers a key may use; null where they are all there. */
  readonly keyObjection: (
    key: Pick<NewGatewayKey, 'models' | 'providers' | 'expires_at'>,
  ) => { readonly path: string; readonly message: string } | null
}

const KeyList = z.object({ object: z.literal('list'), data: z.array(GatewayKeyState) }).meta({ id: 'GatewayKeyList' })
const params = z.object({ name: z.string().max(100) })
const problems = { 400: Problem, 401: Problem, 403: Problem, 404: Problem, 409: Problem, 500: Problem } as const
const config = { access: 'admin' } as const
type App = Parameters<FastifyPluginAsyncZod>[0]

/** Gateway keys at run time: they count, or no longer do, from the answer on, and over a restart. */
export const keyRoutes: FastifyPluginAsyncZod<KeyDependencies> = async (app, deps) => {
  const { gatewayKeys } = deps
  const list = { operationId: 'listKeys', summary: 'Gateway keys', tags: ['keys'], response: { 200: KeyList, ...problems } }
  app.get('/v1/keys', { schema: list, config }, async () => ({ object: 'list' as const, data: gatewayKeys.list().map(keyView) }))
  currentRoute(app, deps)
  createRoute(app, deps)
  rotateRoute(app, deps)

  const revoke = {
    operationId: 'revokeKey',
    summary: 'Revoke a gateway key',
    description:
      'It counts no more from this answer on. The last key that counts is kept: without one nobody could use the gateway, nor make another.',
    tags: ['keys'],
    params,
    response: { 204: z.null().meta({ description: 'It is revoked.' }), ...problems },
  }
  app.delete('/v1/keys/:name', { schema: revoke, config }, async (request, reply) => {
    await gatewayKeys.revoke(request.params.name).catch(refusedInWords)
    return reply.code(204).send(null)
  })
}

function currentRoute(app: App, { gatewayKeys, costs }: KeyDependencies): void {
  const schema = {
    operationId: 'getCurrentKey',
    summary: 'The key of this request: what it may do, and what is left of its budget',
    tags: ['keys'],
    response: { 200: CurrentKey, 401: Problem, 500: Problem },
  }
  app.get('/v1/key', { schema, config: { access: 'read' } }, async ({ caller }) => {
    const { key: name, scope, models, providers, ratePerMinute } = caller
    const listed = name === null ? undefined : gatewayKeys.list().find((key) => key.name === name)
    const [budget = null] = name === null ? [] : await costs.budgets(name)
    return {
      object: 'current_key' as const,
      name,
      scope: scope ?? 'read',
      models: models === null ? null : [...models],
      providers: providers === null ? null : [...providers],
      rate: ratePerMinute === null ? null : { per_minute: ratePerMinute },
      allow_unpriced: listed?.allowUnpriced ?? true,
      expires_at: isoOrNull(listed?.expiresAt ?? null),
      budget,
    }
  })
}

function createRoute(app: App, { gatewayKeys, keyObjection }: KeyDependencies): void {
  const schema = {
    operationId: 'createKey',
    summary: 'Create a gateway key',
    description: 'The secret is in this answer and nowhere else. The first key of a gateway without keys turns them on.',
    tags: ['keys'],
    body: NewGatewayKey,
    response: { 201: GatewayKeyWithSecret, ...problems },
  }
  app.post('/v1/keys', { schema, config }, async (request, reply) => {
    const { secret: given, ...asked } = request.body
    const objection = keyObjection(asked)
    if (objection) throw new HttpProblem(fieldProblem(objection.path, objection.message))
    const { key, secret, turnedOn } = await gatewayKeys.create(newKey(asked), given).catch(refusedInWords)
    const notice = turnedOn ? { notice: turnedOnNotice(key) } : {}
    void reply.code(201).header('cache-control', 'no-store')
    return { ...keyView(key), secret, ...notice }
  })
}

function rotateRoute(app: App, { gatewayKeys }: KeyDependencies): void {
  const schema = {
    operationId: 'rotateKey',
    summary: 'Give a gateway key a fresh secret',
    description: 'The secret before counts for `grace_seconds` more, a day where nothing is said.',
    tags: ['keys'],
    params,
    body: RotateGatewayKey.nullish(),
    response: { 200: GatewayKeyWithSecret, ...problems },
  }
  app.post('/v1/keys/:name/rotate', { schema, config }, async (request, reply) => {
    const { grace_seconds: graceSeconds } = request.body ?? RotateGatewayKey.parse({})
    const { key, secret } = await gatewayKeys.rotate(request.params.name, graceSeconds * 1_000).catch(refusedInWords)
    void reply.header('cache-control', 'no-store')
    return { ...keyView(key), secret }
  })
}

/** A request as the record it will be. */
export const newKey = (asked: Omit<NewGatewayKey, 'secret'>): NewKey => ({
  name: asked.name,
  scope: asked.scope ?? 'write',
  models: asked.models ?? null,
  providers: asked.providers ?? null,
  budgetUsd: asked.budget_usd ?? null,
  period: asked.period ?? 'month',
  ratePerMinute: asked.rate?.per_minute ?? null,
  allowUnpriced: asked.allow_unpriced ?? false,
  expiresAt: asked.expires_at === undefined ? null : Date.parse(asked.expires_at),
})

export const keyView = (key: ListedKey): GatewayKeyState => ({
  name: key.name,
  object: 'key',
  source: key.source,
  scope: key.scope,
  models: key.models === null ? null : [...key.models],
  providers: key.providers === null ? null : [...key.providers],
  budget_usd: key.budgetUsd,
  period: key.period,
  rate: key.ratePerMinute === null ? null : { per_minute: key.ratePerMinute },
  allow_unpriced: key.allowUnpriced,
  created_at: key.source === 'configuration' ? null : iso(key.createdAt),
  rotated_at: isoOrNull(key.rotatedAt),
  expires_at: isoOrNull(key.expiresAt),
  last_used_at: isoOrNull(key.lastUsedAt),
  previous_until: isoOrNull(key.previousUntil),
})

/** A key that may not make others leaves the next one to the command line. */
const turnedOnNotice = ({ scope }: ListedKey): string =>
  `Keys are on from now: every request needs one.${scope === 'admin' ? '' : ' This one may not make others; stop the gateway and run `imagegate keys create boss --scope admin` on its data folder for one that may.'}`

function refusedInWords(error: unknown): never {
  if (!(error instanceof KeyRefused)) throw error
  throw new HttpProblem(
    error.reason === 'missing'
      ? { code: 'not_found', detail: `${error.message}.` }
      : { code: 'invalid_request', status: 409, detail: `${error.message}.` },
  )
}
