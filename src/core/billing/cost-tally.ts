import { createTally, percentAbove, shareOfUsd, subtractUsd, sumUsd } from '#contract'
import type { CostFigures, Offer, Usd, UsdTally } from '#contract'
import type { Breathe } from '../ports.ts'
import type { CostRow, CostSum } from '../records.ts'
import { createIdSet } from './id-set.ts'
import type { IdSet } from './id-set.ts'
import { createWhatIfTally } from '../plan/what-if.ts'
import type { WhatIfTally } from '../plan/what-if.ts'

/** The figures of one group of the report, gathered line by line, or by sums of them. */
export interface CostTally {
  add(row: CostRow | CostSum): void
  /** Of a line, only whether the cost of its attempt is unknown: lines of several groups may speak of it. */
  addUnknown(row: CostRow | CostSum): void
  /** The known part of what another tally has gathered: a total of groups costs each line once. */
  addKnownOf(group: CostTally, breathe: Breathe): Promise<void>
  readonly gathered: Gathered
  figures(offersOf: (model: string) => readonly Offer[], breathe: Breathe): Promise<CostFigures>
}

interface Gathered {
  readonly spend: UsdTally
  readonly failed: UsdTally
  readonly moderated: UsdTally
  readonly quoted: UsdTally
  readonly billed: UsdTally
  readonly whatIf: WhatIfTally
  /** Of single lines, of which other groups may have some too. */
  readonly generations: IdSet
  /** Of sums: each is in one of them, and in no single line. */
  generationsOfSums: number
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

/** A line, or a sum of lines, with a known amount. */
function addKnown({ spend, failed, moderated, quoted, billed }: Gathered, { task, kind }: CostRow | CostSum, amount: Usd): void {
  spend.add(amount)
  if (task.images === 0) (task.code === 'moderated' ? moderated : failed).add(amount)
  if (kind === 'computed' || task.quoted === null) return
  quoted.add(task.quoted)
  billed.add(amount)
}

const isSum = (row: CostRow | CostSum): row is CostSum => 'generations' in row

export function createCostTally(): CostTally {
  const [spend, failed, moderated, quoted, billed] = [createTally(), createTally(), createTally(), createTally(), createTally()]
  const whatIf = createWhatIfTally()
  const generations = createIdSet()
  const gathered: Gathered = {
    spend,
    failed,
    moderated,
    quoted,
    billed,
    whatIf,
    generations,
    generationsOfSums: 0,
    attempts: 0,
    images: 0,
  }
  const unknown = new Map<string, UnknownAttempt>()

  function addUnknown(row: CostRow | CostSum): void {
    if (isSum(row)) return
    const { kind, task, amount, attemptId, generationId } = row
    if (kind === 'adjusted') unknown.delete(attemptId)
    if (amount === null) unknown.set(attemptId, { generationId, images: task.images, wasted: task.images === 0 ? task.quoted : null })
  }

  return {
    gathered,
    addUnknown,
    add(row) {
      const { task, amount, provider, model } = row
      if (isSum(row)) gathered.generationsOfSums += row.generations
      else generations.add(row.generationId)
      if (row.kind !== 'adjusted') {
        gathered.attempts += isSum(row) ? row.attempts : 1
        gathered.images += task.images
        whatIf.add({ provider, model, made: task.made, images: task.images, amount })
      }
      addUnknown(row)
      if (amount !== null) addKnown(gathered, row, amount)
    },
    async addKnownOf({ gathered: group }, breathe) {
      for (const name of ['spend', 'failed', 'moderated', 'quoted', 'billed'] as const) gathered[name].add(group[name].total())
      gathered.generationsOfSums += group.generationsOfSums
      await generations.addAll(group.generations, breathe)
      await whatIf.addAll(group.whatIf, breathe)
      gathered.attempts += group.attempts
      gathered.images += group.images
    },
    figures: (offersOf, breathe) => figuresOf(gathered, unknown.values(), offersOf, breathe),
  }
}

async function figuresOf(
  gathered: Gathered,
  unknownAttempts: Iterable<UnknownAttempt>,
  offersOf: (model: string) => readonly Offer[],
  breathe: Breathe,
): Promise<CostFigures> {
  const { spend, failed, moderated, quoted, billed, whatIf, generations, attempts, images } = gathered
  await breathe()
  const total = spend.total()
  const count = gathered.generationsOfSums + generations.size()
  const unknown = await addedUp(unknownAttempts, breathe)
  const priced = images - unknown.images
  const { rows, cheapest } = await whatIf.result(offersOf, breathe)
  return {
    spend: total,
    count,
    generations: count,
    attempts,
    images,
    cost_per_image: priced > 0 ? shareOfUsd(total, 1, priced) : null,
    wasted: {
      amount: sumUsd([failed.total(), moderated.total()]),
      failed: failed.total(),
      moderated: moderated.total(),
      unknown: unknown.wasted.total(),
    },
    unknown_cost_generations: unknown.generations.size(),
    drift: {
      quoted: quoted.total(),
      billed: billed.total(),
      amount: subtractUsd(billed.total(), quoted.total()),
      percent: percentAbove(billed.total(), quoted.total(), 1),
    },
    what_if: [...rows],
    cheapest,
  }
}

async function addedUp(attempts: Iterable<UnknownAttempt>, breathe: Breathe) {
  const [generations, wasted] = [createIdSet(), createTally()]
  let images = 0
  for (const attempt of attempts) {
    generations.add(attempt.generationId)
    images += attempt.images
    if (attempt.wasted !== null) wasted.add(attempt.wasted)
    await breathe()
  }
  return { generations, wasted, images }
}
