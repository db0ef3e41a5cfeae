import { withoutTrailing, type Call, type GenerationRequest, type Warning } from '#contract'
import type { Config } from '../config/config.ts'
import { offersOf, resolveModel, withDefaults } from '../config/offers.ts'
import { tasksOf, translateOrder } from '../core/plan/order.ts'
import { plan } from '../core/plan/plan.ts'
import type { Catalogue } from '../catalogue/catalogue.ts'

/** What one provider would be sent for a request: its paid call, and what had to be adapted; or why it cannot take it. */
export interface DryCall {
  readonly provider: string
  readonly call: Call | null
  /** The call's whole address at the vendor, null where there is no call. */
  readonly url: string | null
  readonly warnings: readonly Warning[]
  readonly reasons: readonly string[]
}

/** Stands for the task id of a call that is shown and never sent. */
const SHOWN_TASK_ID = '00000000-0000-4000-8000-000000000000'

/**
 * Translates a request for each of `providers` as the gateway would, without sending anything.
 * The request has no reference images: those are read from storage when a generation runs.
 */
export function dryCalls(config: Config, catalogue: Catalogue, asked: GenerationRequest, providers: readonly string[]): readonly DryCall[] {
  const resolved = resolveModel(config, catalogue, asked.model)
  if (resolved === null) return []
  const { reference_images: _none, ...request } = withDefaults(asked, resolved.defaults)
  const candidates = offersOf(config, catalogue, resolved.model).map((offer) => ({
    offer,
    unavailable: config.providers.get(offer.provider)?.reason ?? null,
    latency: null,
    options: {},
  }))
  return providers.map((id): DryCall => {
    const planned = plan({
      request: { ...request, model: resolved.model, provider: { ...request.provider, only: [id] } },
      references: [],
      candidates,
      rule: {},
      pinned: null,
      roll: 0,
    })
    const provider = catalogue.providers.get(id)
    const [route] = planned.kind === 'routes' ? planned.routes : []
    const limits = provider?.manifest.models[resolved.model]?.limits
    const [task] = route && limits ? tasksOf(route, limits) : []
    const translated =
      provider && route && task
        ? translateOrder(provider, { route, prompt: request.prompt, attempt: { ...task, taskId: SHOWN_TASK_ID }, references: [] })
        : null
    if (!provider || !route || !translated) {
      const rows = planned.kind === 'refused' ? planned.considered : []
      return {
        provider: id,
        call: null,
        url: null,
        warnings: [],
        reasons: rows.find((row) => row.provider === id)?.reasons ?? ['does not sell it'],
      }
    }
    const { call, warnings } = translated
    const url = URL.canParse(call.url) ? call.url : `${withoutTrailing(provider.manifest.base_url, '/')}${call.url}`
    return { provider: id, call, url, warnings: [...route.warnings, ...warnings], reasons: [] }
  })
}
