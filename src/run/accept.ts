import type {
  Failure,
  GenerationRecord,
  GenerationRequest,
  JsonObject,
  Quote,
  Reference,
  ReferenceImage,
  Route,
  RouteRule,
  Warning,
} from '#contract'
import { orderFor } from '../plan/order.ts'
import { plan, quote } from '../plan/plan.ts'
import type { Candidate, PlanInput } from '../plan/plan.ts'
import { AssetError } from './ports.ts'
import type { Ports } from './ports.ts'

/** What is for sale, as configured at this moment. */
export interface Market {
  /** What the request's `model` means (a canonical id, an alias, or `provider/model`), with an alias's defaults filled in; null where there is no such model. */
  resolve(
    request: GenerationRequest,
  ): { readonly request: GenerationRequest; readonly model: string; readonly pinned: string | null; readonly rule: RouteRule } | null
  /** Every provider's offer of the model, usable or not. `options` are the request's parsed provider_options. */
  candidates(model: string, options: Readonly<Record<string, JsonObject>>): readonly Candidate[]
}

/** Why a request was not accepted. Nothing was bought. */
export class Refusal extends Error {
  readonly code: Failure['code']
  readonly errors: readonly { readonly path: string; readonly message: string }[]
  constructor(code: Failure['code'], message: string, errors: Refusal['errors'] = []) {
    super(message)
    this.code = code
    this.errors = errors
  }
}

export interface Accept {
  /** A validated request as the row it will be; throws `Refusal`. Nothing is on disk but reference images. */
  prepare(request: GenerationRequest, key: string | null): Promise<GenerationRecord>
  /** What every offer would charge; throws `Refusal`. */
  quote(request: GenerationRequest): Promise<Quote>
}

export interface AcceptDependencies {
  readonly ports: Ports
  readonly market: Market
  /** A number in 0…1, for weighted routing. */
  readonly roll: () => number
}

export function createAccept({ ports, market, roll }: AcceptDependencies): Accept {
  async function gather(asked: GenerationRequest): Promise<PlanInput> {
    const resolved = market.resolve(asked)
    if (!resolved) {
      throw new Refusal('model_not_found', `There is no model ${JSON.stringify(asked.model)}. GET /v1/models lists what there is.`, [
        { path: 'model', message: 'unknown model, alias or provider/model' },
      ])
    }
    const { reference_images: images = [], ...request } = resolved.request
    const references = await Promise.all(images.map((image, index) => keep(image, index)))
    const candidates = market.candidates(resolved.model, request.provider_options ?? {})
    return {
      request: { ...request, model: resolved.model },
      references,
      candidates,
      rule: resolved.rule,
      pinned: resolved.pinned,
      roll: roll(),
    }
  }

  /** A reference by its bytes where we have them, so that it is still the same picture at the second provider. */
  async function keep(image: ReferenceImage, index: number): Promise<Reference> {
    const path = `reference_images.${index}`
    const refuse = (message: string) => new Refusal('invalid_request', `${path}: ${message}`, [{ path, message }])
    if (typeof image !== 'string') {
      const stored = await ports.store.image(image.image)
      if (!stored) throw refuse(`there is no image ${image.image}`)
      if (!stored.sha256 || !stored.format || !stored.width || !stored.height)
        throw refuse(`image ${image.image} was handed on by link and is not stored`)
      return { kind: 'stored', sha256: stored.sha256, format: stored.format, pixels: { width: stored.width, height: stored.height } }
    }
    if (!image.startsWith('data:')) return { kind: 'url', url: image, pixels: null }
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
      const input = await gather(asked)
      const planned = plan(input)
      if (planned.kind === 'refused') {
        const errors = planned.considered.map(({ provider, reasons }) => ({ path: provider, message: reasons.join('; ') }))
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
      return {
        id: ports.ids.generation(),
        key,
        sandbox: ports.settings.sandbox,
        createdAt: ports.clock.now(),
        request: { ...request, model: asked.model },
        references,
        model: request.model,
        routing: planned.routing,
        routes: usable.map(({ route, own }) => (own.length === 0 ? route : { ...route, warnings: [...route.warnings, ...own] })),
        routeIndex: 0,
        status: 'queued',
        attempts: [],
        images: [],
        warnings: [],
        error: null,
        promptUsed: null,
        timeline: [],
        startedAt: null,
        completedAt: null,
        storeMs: null,
      }
    },

    quote: async (asked) => quote(await gather(asked)),
  }
}

/** What a provider's own options cause, told by its adapter before anything is bought. */
function optionWarnings(ports: Ports, route: Route, prompt: string): readonly Warning[] {
  const provider = ports.settings.provider(route.provider)
  const limits = provider?.manifest.models[route.model]?.limits
  if (!provider || !limits || Object.keys(route.options).length === 0) return []
  const attempt = { taskId: '00000000-0000-4000-8000-000000000000', images: route.tasks[0] ?? 1, seed: null }
  return provider.adapter.translate(orderFor({ route, limits, prompt, attempt, references: [] })).warnings
}
