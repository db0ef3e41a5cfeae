import { createTally, percentAbove, shareOfUsd, subtractUsd, sumUsd } from '#contract'
import type { CostFigures, Offer, Usd, UsdTally } from '#contract'
import type { CostRow } from '../records.ts'
import { createWhatIfTally } from '../plan/what-if.ts'
import type { WhatIfTally } from '../plan/what-if.ts'

/** The figures of one group of the report, gathered line by line. */
export interface CostTally {
  add(row: CostRow): void
  /** Of a line, only whether the cost of its attempt is unknown: lines of several groups may speak of it. */
  addUnknown(row: CostRow): void
  /** The known part of what another tally has gathered: a total of groups costs each line once. */
  addKnownOf(group: CostTally): void
  readonly gathered: Gathered
  figures(offersOf: (model: string) => readonly Offer[], breathe: () => Promise<void>): Promise<CostFigures>
}

interface Gathered {
  readonly spend: UsdTally
  readonly failed: UsdTally
  readonly moderated: UsdTally
  readonly quoted: UsdTally
  readonly billed: UsdTally
  readonly whatIf: WhatIfTally
  readonly generations: Set<string>
  attempts: number
  images: number
}

/** An attempt whose cost is not known (yet: an adjustment may follow). */
interface UnknownAttempt {
  readonly generationId: string
  /** What it delivered: it is in no average. */
  readonly images: number
  /** Quoted for an attempt that delivered nothing; null where it delivered, or was unpriced. */
  readonly wasted: Usd | null
}

/** A line with a known amount. */
function addKnown({ spend, failed, moderated, quoted, billed }: Gathered, { task, kind }: CostRow, amount: Usd): void {
  spend.add(amount)
  if (task.images === 0) (task.code === 'moderated' ? moderated : failed).add(amount)
  if (kind === 'computed' || task.quoted === null) return
  quoted.add(task.quoted)
  billed.add(amount)
}

export function createCostTally(): CostTally {
  const [spend, failed, moderated, quoted, billed] = [createTally(), createTally(), createTally(), createTally(), createTally()]
  const whatIf = createWhatIfTally()
  const generations = new Set<string>()
  const gathered: Gathered = { spend, failed, moderated, quoted, billed, whatIf, generations, attempts: 0, images: 0 }
  const unknown = new Map<string, UnknownAttempt>()

  function addUnknown({ kind, task, amount, attemptId, generationId }: CostRow): void {
    if (kind === 'adjusted') unknown.delete(attemptId)
    if (amount === null) unknown.set(attemptId, { generationId, images: task.images, wasted: task.images === 0 ? task.quoted : null })
  }

  return {
    gathered,
    addUnknown,
    add(row) {
      const { task, amount, generationId, provider, model } = row
      generations.add(generationId)
      if (row.kind !== 'adjusted') {
        gathered.attempts++
        gathered.images += task.images
        whatIf.add({ provider, model, made: task.made, images: task.images, amount })
      }
      addUnknown(row)
      if (amount !== null) addKnown(gathered, row, amount)
    },
    addKnownOf({ gathered: group }) {
      for (const name of ['spend', 'failed', 'moderated', 'quoted', 'billed'] as const) gathered[name].add(group[name].total())
      for (const id of group.generations) generations.add(id)
      whatIf.addAll(group.whatIf)
      gathered.attempts += group.attempts
      gathered.images += group.images
    },
    async figures(offersOf, breathe) {
      const total = spend.total()
      const { attempts, images } = gathered
      const priced = images - [...unknown.values()].reduce((sum, attempt) => sum + attempt.images, 0)
      const { rows, cheapest } = await whatIf.result(offersOf, breathe)
      return {
        spend: total,
        count: generations.size,
        generations: generations.size,
        attempts,
        images,
        cost_per_image: priced > 0 ? shareOfUsd(total, 1, priced) : null,
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
