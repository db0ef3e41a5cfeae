import { createTally, percentAbove, shareOfUsd, subtractUsd, sumUsd } from '#contract'
import type { CostFigures, Offer, Usd } from '#contract'
import type { CostRow } from '../records.ts'
import { createWhatIfTally } from '../plan/what-if.ts'

/** The figures of one group of the report, gathered line by line. */
export interface CostTally {
  add(row: CostRow): void
  figures(offersOf: (model: string) => readonly Offer[], breathe: () => Promise<void>): Promise<CostFigures>
}

/** An attempt whose cost is not known (yet: an adjustment may follow). */
interface UnknownAttempt {
  readonly generationId: string
  /** Quoted for an attempt that delivered nothing; null where it delivered, or was unpriced. */
  readonly wasted: Usd | null
}

export function createCostTally(): CostTally {
  const [spend, failed, moderated, quoted, billed] = [createTally(), createTally(), createTally(), createTally(), createTally()]
  const whatIf = createWhatIfTally()
  const generations = new Set<string>()
  const unknown = new Map<string, UnknownAttempt>()
  let attempts = 0
  let images = 0

  /** A line with a known amount. */
  function addKnown({ task, kind }: CostRow, amount: Usd): void {
    spend.add(amount)
    if (task.images === 0) (task.code === 'moderated' ? moderated : failed).add(amount)
    if (kind === 'computed' || task.quoted === null) return
    quoted.add(task.quoted)
    billed.add(amount)
  }

  return {
    add(row) {
      const { task, amount, attemptId, generationId, provider, model } = row
      generations.add(generationId)
      if (row.kind === 'adjusted') unknown.delete(attemptId)
      else {
        attempts++
        images += task.images
        whatIf.add({ provider, model, made: task.made, images: task.images, amount })
      }
      if (amount === null) unknown.set(attemptId, { generationId, wasted: task.images === 0 ? task.quoted : null })
      else addKnown(row, amount)
    },
    async figures(offersOf, breathe) {
      const total = spend.total()
      const { rows, cheapest } = await whatIf.result(offersOf, breathe)
      return {
        spend: total,
        count: generations.size,
        generations: generations.size,
        attempts,
        images,
        cost_per_image: images > 0 ? shareOfUsd(total, 1, images) : null,
        wasted: {
          amount: sumUsd([failed.total(), moderated.total()]),
          failed: failed.total(),
          moderated: moderated.total(),
          unknown: sumUsd([...unknown.values()].map(({ wasted }) => wasted).filter((amount) => amount !== null)),
        },
        unknown_cost_generations: new Set([...unknown.values()].map(({ generationId }) => generationId)).size,
        drift: {
          quoted: quoted.total(),
          billed: billed.total(),
          amount: subtractUsd(billed.total(), quoted.total()),
          percent: percentAbove(billed.total(), quoted.total(), 1),
        },
        what_if: [...rows],
        cheapest,
      }
    },
  }
}
