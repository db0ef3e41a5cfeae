import type { Failure, GenerationRequest, OutputFormat, Quote, ReferenceImage, Warning } from '#contract'
import { blankGeneration } from '../records.ts'
import type { GenerationRecord, Reference, Route } from '../records.ts'
import { translateOrder } from '../plan/order.ts'
import { plan, quote } from '../plan/plan.ts'
import type { Offers } from '../plan/offers.ts'
import type { Candidate, PlanInput } from '../plan/plan.ts'
import { budgetOf, reservationOf } from '../billing/budget.ts'
import type { Budget, KeyPolicy } from '../billing/budget.ts'
import { measureReferences } from './measure-references.ts'
import { withObserved } from '../billing/past-bills.ts'
import { AssetError, BudgetExceeded } from '../ports.ts'
import type { Ports } from '../ports.ts'

/** Why a request was not accepted. Nothing was bought. */
export class Refusal extends Error {
  readonly code: Failure['code']
  readonly errors: readonly { readonly path: string; readonly message: string }[]
  /** When the same request is worth sending again; null where that is not known. */
  readonly retryAfterMs: number | null
  constructor(code: Failure['code'], message: string, errors: Refusal['errors'] = [], retryAfterMs: number | null = null) {
    super(message)
    this.code = code
    this.errors = errors
    this.retryAfterMs = retryAfterMs
  }
}

/** A budget that was taken by others between the plan and the acceptance. */
export const overBudget = (error: BudgetExceeded): Refusal =>
  new Refusal('budget_exceeded', `The quote exceeds what is left of this key's budget: ${error.message}.`, [
    { path: 'budget_usd', message: error.message },
  ])

export interface Accept {
  /** A validated request as the row it will be; throws `Refusal`. Nothing is on disk but reference images. */
  prepare(request: GenerationRequest, key: string | null): Promise<GenerationRecord>
  /** What every offer would charge; throws `Refusal`. `key` is the gateway key that asks. */
  quote(request: GenerationRequest, key?: string | null): Promise<Quote>
}

export interface AcceptDependencies {
  readonly ports: Ports
  readonly offers: Offers
  /** A number in 0…1, for weighted routing. */
  readonly roll: () => number
  /** Why a URL that a caller gave cannot be used; null where it can, as far as is known now. Without it none is refused. */
  readonly urlObjection?: (url: string) => Promise<string | null>
}

export function createAccept({ ports, offers, roll, urlObjection }: AcceptDependencies): Accept {
  async function gather(asked: GenerationRequest, key: string | null): Promise<PlanInput & { readonly budget: Budget | null }> {
    const policy = key === null ? null : offers.key(key)
    const resolved = offers.resolve(asked)
    if (!resolved) {
      throw new Refusal('model_not_found', `There is no model ${JSON.stringify(asked.model)}. GET /v1/models lists what there is.`, [
        { path: 'model', message: 'unknown model, alias or provider/model' },
      ])
    }
    if (policy) requireModel(policy, asked.model, resolved.model)
    const { reference_images: images = [], ...request } = resolved.request
    const references = await Promise.all(images.map((image, index) => keep(image, index)))
    const candidates = offers.candidates(resolved.model, request.provider_options ?? {})
    return {
      request: { ...request, model: resolved.model },
      references,
      candidates: policy?.providers ? candidates.map((candidate) => allowedTo(policy, candidate)) : candidates,
      rule: resolved.rule,
      pinned: resolved.pinned,
      roll: roll(),
      budget: await budgetOf(ports.store, policy, ports.clock.now()),
    }
  }

  /** Whether an image has not been removed by its age or for want of room. */
  async function isStill(sha256: string, format: OutputFormat): Promise<boolean> {
    const stream = await ports.assets.open(sha256, format, { start: 0, end: 0 })
    stream?.destroy()
    return stream !== null
  }

  /** A reference by its bytes where we have them, so that it is still the same image at the second provider. */
  async function keep(image: ReferenceImage, index: number): Promise<Reference> {
    const path = `reference_images.${index}`
    const refuse = (message: string) => new Refusal('invalid_request', `${path}: ${message}`, [{ path, message }])
    if (typeof image !== 'string') {
      const stored = await ports.store.image(image.image)
      if (!stored) throw refuse(`there is no image ${image.image}`)
      if (!stored.sha256 || !stored.format || !stored.width || !stored.height)
        throw refuse(`image ${image.image} was handed on by link and is not stored`)
      if (!(await isStill(stored.sha256, stored.format))) throw refuse(`image ${image.image} is no longer stored; send it as a data: URI`)
      return { kind: 'stored', sha256: stored.sha256, format: stored.format, pixels: { width: stored.width, height: stored.height } }
    }
    if (!image.startsWith('data:')) {
      const objection = (await urlObjection?.(image)) ?? null
      if (objection !== null) throw refuse(objection)
      return { kind: 'url', url: image, pixels: null }
    }
    const bytes = Buffer.from(image.slice(image.indexOf(',') + 1), 'base64')
    try {
      const { sha256, format, width, height } = await ports.assets.put(bytes, ports.settings.maxImageBytes)
      return { kind: 'stored', sha256, format, pixels: { width, height } }
    } catch (error) {
      if (error instanceof AssetError && error.reason !== 'storage') throw refuse(error.message)
      throw error
    }
  }

  return {
    async prepare(asked, key) {
      const objection = asked.webhook ? ((await urlObjection?.(asked.webhook.url)) ?? null) : null
      if (objection !== null)
        throw new Refusal('invalid_request', `webhook.url: ${objection}`, [{ path: 'webhook.url', message: objection }])
      const input = await gather(asked, key)
      const planned = plan(input)
      if (planned.kind === 'refused') {
        if (input.budget) refuseOverBudget(input, input.budget)
        const errors = planned.considered.map(({ provider, reasons }) => ({ path: provider, message: reasons.join('; ') }))
        refuseForNow(input, errors)
        const detail = errors.map((error) => `${error.path}: ${error.message}`).join(' · ')
        throw new Refusal('no_eligible_offer', `No offer of ${input.request.model} can take this request. ${detail}`, errors)
      }
      const { request, references } = input
      const judged = planned.routes.map((route) => ({ route, own: optionWarnings(ports, route, request.prompt) }))
      const usable = request.on_unsupported === 'reject' ? judged.filter(({ own }) => own.length === 0) : judged
      if (usable.length === 0) {
        const errors = judged.map(({ route, own }) => ({
          path: route.provider,
          message: own.map(({ field, reason }) => `${field}: ${reason}`).join('; '),
        }))
        throw new Refusal('no_eligible_offer', `No offer of ${request.model} takes these provider_options as they are.`, errors)
      }
      const quoted = usable[0]?.route.quoted?.amount ?? null
      return {
        ...blankGeneration(),
        id: ports.ids.generation(),
        key,
        ...(input.budget ? { reserved: reservationOf(input.budget, quoted) } : {}),
        sandbox: ports.settings.sandbox,
        createdAt: ports.clock.now(),
        request: { ...request, model: asked.model },
        webhook: asked.webhook ? { format: 'standard', ...asked.webhook, context: null } : null,
        references,
        model: request.model,
        routing: planned.routing,
        routes: usable.map(({ route, own }) => (own.length === 0 ? route : { ...route, warnings: [...route.warnings, ...own] })),
      }
    },

    async quote(asked, key = null) {
      const gathered = await gather(asked, key)
      const input = { ...gathered, references: await measureReferences(ports, gathered.references) }
      return withObserved(ports.store, quote(input), input.references.length)
    },
  }
}

/** As a model that does not exist, which is how other services hide what a key may not use; the detail says what it may. */
function requireModel({ name, models }: KeyPolicy, asked: string, model: string): void {
  if (models === null || models.includes(asked) || models.includes(model)) return
  throw new Refusal(
    'model_not_found',
    `The key ${name} may not use the model ${JSON.stringify(asked)}; it may use: ${models.join(', ')}.`,
    [{ path: 'model', message: 'not a model this key may use' }],
  )
}

function allowedTo({ name, providers }: KeyPolicy, candidate: Candidate): Candidate {
  const { retryAfterMs, ...rest } = candidate
  const { provider } = rest.offer
  const isDisabled = rest.unavailable !== null && retryAfterMs === undefined
  if (isDisabled || providers === null || providers.includes(provider)) return candidate
  return { ...rest, unavailable: `key: ${name} may not use ${provider}.` }
}

/** Throws where an offer would have been eligible but for a provider that is unavailable only for now. */
function refuseForNow(input: PlanInput, errors: Refusal['errors']): void {
  const paused = input.candidates.flatMap(({ retryAfterMs }) => retryAfterMs ?? [])
  if (paused.length === 0) return
  const candidates = input.candidates.map((one) => (one.retryAfterMs === undefined ? one : { ...one, unavailable: null }))
  if (plan({ ...input, candidates }).kind === 'refused') return
  const detail = errors.map(({ path, message }) => `${path}: ${message}`).join(' · ')
  throw new Refusal(
    'provider_unavailable',
    `Every provider that could take this request is failing at the moment; nothing was bought. ${detail}`,
    errors,
    Math.min(...paused),
  )
}

/** Throws where a priced offer would have been eligible but for the budget. */
function refuseOverBudget(input: PlanInput, budget: Budget): void {
  const { budget: _, ...unlimited } = input
  const planned = plan(unlimited)
  if (planned.kind === 'refused' || planned.routes.every(({ quoted }) => quoted === null)) return
  const errors = planned.routes.map(({ provider, quoted }) => ({
    path: provider,
    message: quoted ? `quoted at ${quoted.amount}` : 'has no price',
  }))
  const left = new BudgetExceeded(budget).message
  const detail = `The quote exceeds what is left of the budget of the key ${budget.key}: ${left}. ${errors.map(({ path, message }) => `${path}: ${message}`).join(' · ')}`
  throw new Refusal('budget_exceeded', detail, [{ path: 'budget_usd', message: left }, ...errors])
}

/** Stands for the task id where a call is only judged. */
const NO_TASK_ID = '00000000-0000-4000-8000-000000000000'

/** What a provider's own options cause, said by its adapter before anything is bought. */
function optionWarnings(ports: Ports, route: Route, prompt: string): readonly Warning[] {
  const provider = ports.settings.provider(route.provider)
  if (!provider || Object.keys(route.options).length === 0) return []
  const attempt = { taskId: NO_TASK_ID, images: route.tasks[0] ?? 1, seed: null }
  const webhook = ports.hooks?.webhookFor(provider.id, '', '')
  return translateOrder(provider, { route, prompt, attempt, references: [], webhook })?.warnings ?? []
}
