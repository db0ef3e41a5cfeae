import type { GenerationRequest, Quote, Routing } from '#contract'
import { blankGeneration } from '../blank-records.ts'
import type { GenerationRecord } from '../records.ts'
import { withoutMask } from '../plan/mask.ts'
import { plan, quote } from '../plan/plan.ts'
import type { PlanInput } from '../plan/plan.ts'
import { reservationOf } from '../billing/budget.ts'
import type { Budget } from '../billing/budget.ts'
import { heldOf } from '../billing/ledger.ts'
import { withObserved } from '../billing/past-bills.ts'
import { BudgetExceeded } from '../ports.ts'
import { boughtLinks } from './bought-links.ts'
import type { BoughtLinks } from './bought-links.ts'
import { createGather } from './gather.ts'
import type { Gathered, GatherDependencies } from './gather.ts'
import { createTurnShare } from '../scheduling/turn-share.ts'
import { keepInline } from './inline-references.ts'
import { linksInTurn } from './links-in-turn.ts'
import { unmeasured } from './measure-references.ts'
import { identified } from './reference-images.ts'
import { Refusal } from './refusal.ts'

export { overBudget, Refusal } from './refusal.ts'

export interface Accept {
  /**
   * A validated request as the row it will be; throws `Refusal`. Nothing is on disk but the reference images of what can be bought.
   * @param agree throws where these offers must not be bought after all
   */
  prepare(request: GenerationRequest, key: string | null, agree?: (considered: Routing['considered']) => void): Promise<GenerationRecord>
  /** What every offer would charge, and where the request would go now; throws `Refusal`. `key` is the gateway key that asks. */
  quote(request: GenerationRequest, key?: string | null): Promise<Quote>
}

export type AcceptDependencies = GatherDependencies

/** A quote and a purchase gather and assess alike; then one shows the offers and the other takes the first. */
export function createAccept(dependencies: AcceptDependencies): Accept {
  const { ports, urlObjection } = dependencies
  const gather = createGather(dependencies)
  const turns = createTurnShare(ports.clock)

  async function prepared(
    asked: GenerationRequest,
    key: string | null,
    links: BoughtLinks,
    mayOpen: boolean,
    agree: ((considered: Routing['considered']) => void) | undefined,
  ): Promise<GenerationRecord> {
    const objection = asked.webhook ? ((await urlObjection?.(asked.webhook.url)) ?? null) : null
    if (objection !== null) throw new Refusal('invalid_request', `webhook.url: ${objection}`, [{ path: 'webhook.url', message: objection }])
    const input = await gather(asked, key, mayOpen ? links.measure : unmeasured)
    const { request, references, budget, now } = input
    const planned = plan(input)
    if (planned.kind === 'refused') throw refusalOf(input, planned.considered)
    agree?.(planned.routing.considered)
    await keepInline(ports, asked, key)
    return {
      ...blankGeneration(),
      id: ports.ids.generation(),
      key,
      ...(budget ? { reserved: reservationOf(budget, heldOf(planned.routes[0])) } : {}),
      sandbox: ports.settings.sandbox,
      createdAt: now,
      request: { ...request, model: asked.model },
      webhook: asked.webhook ? { format: 'standard', ...asked.webhook, context: null } : null,
      references: identified(await links.keep(references), ports.ids),
      model: request.model,
      routing: planned.routing,
      routes: planned.routes,
    }
  }

  return {
    async prepare(asked, key, agree) {
      // All who wait are answered in one turn of the event loop, and ask again in the next.
      if (turns.areSpent()) await turns.next()
      const links = boughtLinks(ports, key)
      try {
        return await linksInTurn(ports.clock, key, asked, (mayOpen) => prepared(asked, key, links, mayOpen, agree))
      } finally {
        links.close()
      }
    },

    async quote(asked, key = null) {
      const input = await linksInTurn(ports.clock, key, asked, (mayOpen) => gather(asked, key, mayOpen ? undefined : unmeasured))
      // A quote lists the offers that the key may use.
      const candidates = input.candidates.filter(({ isForbidden }) => isForbidden !== true)
      const quoted = quote({ ...input, candidates }, ports.settings.sandbox)
      const seesAll = input.policy?.admin ?? true
      return withObserved(ports.store, quoted, withoutMask(input.references).length, (owner) => seesAll || owner === key)
    },
  }
}

function refusalOf(input: Gathered, considered: readonly { readonly provider: string; readonly reasons: readonly string[] }[]): Refusal {
  const errors = considered.map(({ provider, reasons }) => ({ path: provider, message: reasons.join('; ') }))
  const detail = errors.map(({ path, message }) => `${path}: ${message}`).join(' · ')
  return (
    (input.budget && refusalOverBudget(input, input.budget)) ??
    refusalForNow(input, errors, detail) ??
    new Refusal('no_eligible_offer', `No offer of ${input.request.model} can take this request. ${detail}`, errors)
  )
}

/** Where an offer would have been eligible but for a provider that is unavailable only for now; else null. */
function refusalForNow(input: PlanInput, errors: Refusal['errors'], detail: string): Refusal | null {
  const waits = input.candidates.flatMap(({ retryAfterMs }) => retryAfterMs ?? [])
  if (waits.length === 0) return null
  const candidates = input.candidates.map((one) => (one.retryAfterMs === undefined ? one : { ...one, unavailable: null }))
  if (plan({ ...input, candidates }).kind === 'refused') return null
  return new Refusal(
    'provider_unavailable',
    `Every provider that could take this request is failing at the moment; nothing was bought. ${detail}`,
    errors,
    Math.min(...waits),
  )
}

/** Where a priced offer would have been eligible but for the budget; else null. */
function refusalOverBudget(input: PlanInput, budget: Budget): Refusal | null {
  const { budget: _, ...unlimited } = input
  const planned = plan(unlimited)
  if (planned.kind === 'refused' || planned.routes.every(({ quoted }) => quoted === null)) return null
  const errors = planned.routes.map(({ provider, quoted, held }) => ({
    path: provider,
    message: quoted ? `quoted at ${quoted.amount}${held ? `, at most ${held} with what the vendor alone counts` : ''}` : 'has no price',
  }))
  const left = new BudgetExceeded(budget).message
  const detail = `The quote exceeds what is left of the budget of the key ${budget.key}: ${left}. ${errors.map(({ path, message }) => `${path}: ${message}`).join(' · ')}`
  return new Refusal('budget_exceeded', detail, [{ path: 'budget_usd', message: left }, ...errors])
}
