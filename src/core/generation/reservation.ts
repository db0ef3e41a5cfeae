import { generationError, sumUsd } from '#contract'
import type { GenerationError, Usd } from '#contract'
import type { Reservation, Route } from '../records.ts'
import { askBudget } from './account.ts'
import { save } from './save.ts'
import type { OpenGeneration, Core } from './open-generation.ts'
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
  const before = reserved.amount
  const entry = reservedEntry(record, route, missing, core.ports.clock.now())
  reserved.amount = sumUsd([before, missing])
  open.newEntries = [...open.newEntries, entry]
  askBudget(open)
  try {
    await save(core, open)
    return null
  } catch (error) {
    reserved.amount = before
    open.newEntries = open.newEntries.filter((other) => other !== entry)
    if (!(error instanceof BudgetExceeded))
      return (
        failed ?? generationError({ code: 'internal', message: 'what the next provider may cost could not be held', billed: false }, null)
      )
    const reason = `${failed?.provider ?? 'the first provider'} failed (${failed?.code ?? 'internal'}) and ${route.provider} would cost more than the budget has left: ${error.message}`
    return generationError({ code: 'budget_exceeded', message: reason, billed: false }, null)
  }
}
