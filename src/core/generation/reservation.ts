import { generationError, sumUsd } from '#contract'
import type { GenerationError, Usd } from '#contract'
import type { GenerationRecord, Reservation, Route } from '../records.ts'
import { askBudget } from './account.ts'
import { save } from './save.ts'
import type { OpenGeneration, Core } from './open-generation.ts'
import { periodAt } from '../billing/budget.ts'
import { missingFor, reservedEntry } from '../billing/ledger.ts'
import { BudgetExceeded } from '../ports.ts'

/**
 * Holds what a dearer route costs beyond what is held already, before anything is bought there. The answer is null where it is held,
 * else why the route must not be used.
 */
export async function raiseReservation(
  core: Core,
  open: OpenGeneration,
  route: Route,
  failed: GenerationError | null,
): Promise<GenerationError | null> {
  const { reserved } = open.record
  const missing = missingFor(open.record, route)
  if (!reserved || missing === null) return null
  const raising = raise(core, open, route, failed, { reserved, missing })
  open.raising = raising
  const refused = await raising
  open.raising = null
  return refused
}

async function raise(
  core: Core,
  open: OpenGeneration,
  route: Route,
  failed: GenerationError | null,
  { reserved, missing }: { readonly reserved: Reservation; readonly missing: Usd },
): Promise<GenerationError | null> {
  const { record } = open
  const before = { ...reserved }
  const entry = reservedEntry(record, route, missing, core.ports.clock.now())
  Object.assign(reserved, { amount: sumUsd([before.amount, missing]), limit: limitNow(core, record, reserved) })
  open.newEntries = [...open.newEntries, entry]
  askBudget(open)
  try {
    await save(core, open)
    return null
  } catch (error) {
    Object.assign(reserved, before)
    open.newEntries = open.newEntries.filter((other) => other !== entry)
    if (!(error instanceof BudgetExceeded))
      return (
        failed ?? generationError({ code: 'internal', message: 'what the next provider may cost could not be held', billed: false }, null)
      )
    const reason = `${failed?.provider ?? 'the first provider'} failed (${failed?.code ?? 'internal'}) and ${route.provider} would cost more than the budget has left: ${error.message}`
    return generationError({ code: 'budget_exceeded', message: reason, billed: false }, null)
  }
}

/** An operator may have lowered the budget since the acceptance. That of the acceptance stays where the key has ended, or counts by another period now. */
function limitNow({ ports }: Core, { key, createdAt }: GenerationRecord, { limit, period }: Reservation): Usd {
  const policy = key === null ? null : (ports.policyOf?.(key) ?? null)
  const isSamePeriod = policy !== null && periodAt(policy.period, createdAt).period === period
  return isSamePeriod ? (policy.budgetUsd ?? limit) : limit
}
