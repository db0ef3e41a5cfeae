import type { CostReport, Usd } from '#contract'
import type { CostRow, Instant } from '../records.ts'
import type { Offers } from '../offers.ts'
import { budgetOf, budgetView } from './budget.ts'
import { createCostTally } from './cost-tally.ts'
import type { CostTally } from './cost-tally.ts'
import type { Clock, Store } from '../ports.ts'
import { dayOf, isoOrNull } from '../instant.ts'

export interface CostsAsked {
  /** By when it was settled; inclusive. Null: from the beginning. */
  readonly from: Instant | null
  /** Exclusive. Null: until now. */
  readonly to: Instant | null
  /** `provider`, `model`, `day` (UTC), `key` or `metadata.<key>`. */
  readonly groupBy: readonly string[]
}

/** What was spent. A gateway key sees its own costs, an admin key and a gateway without keys everybody's. */
export interface Costs {
  report(asked: CostsAsked, key: string | null): Promise<CostReport>
  /** Each attempt by itself, in pages, with the metadata named in `groupBy`. */
  rows(asked: CostsAsked, key: string | null): AsyncIterable<readonly CostRow[]>
  /** What a key may still spend in its period; null where it has no budget. */
  budgetLeft(key: string | null): Promise<Usd | null>
}

export interface CostsDependencies {
  readonly store: Pick<Store, 'costs' | 'budgetUsed'>
  readonly offers: Pick<Offers, 'ofModel' | 'key' | 'keys'>
  readonly clock: Pick<Clock, 'now'>
}

interface Group {
  readonly values: readonly (string | null)[]
  readonly tally: CostTally
}

export function createCosts({ store, offers, clock }: CostsDependencies): Costs {
  const seenBy = (key: string | null): string | null => (key === null || offers.key(key)?.admin === true ? null : key)

  const rows: Costs['rows'] = ({ from, to, groupBy }, key) => store.costs({ from, to, key: seenBy(key), metadata: metadataOf(groupBy) })

  async function budgetsOf(key: string | null): Promise<CostReport['budgets']> {
    const policies = offers.keys().filter((policy) => policy.budgetUsd !== null && (key === null || policy.name === key))
    const budgets = await Promise.all(
      policies.map(async (policy) => {
        const budget = await budgetOf(store, policy, clock.now())
        return budget ? [budgetView(budget, policy.period)] : []
      }),
    )
    return budgets.flat()
  }

  return {
    rows,
    budgetLeft: async (key) => (key === null ? null : ((await budgetOf(store, offers.key(key), clock.now()))?.left ?? null)),
    async report(asked, key) {
      const { groupBy } = asked
      const groups = new Map<string, Group>()
      const total = createCostTally()
      for await (const page of rows(asked, key)) {
        for (const row of page) {
          total.add(row)
          const values = valuesOf(row, groupBy)
          const name = JSON.stringify(values)
          const group = groups.get(name) ?? { values, tally: createCostTally() }
          groups.set(name, group)
          group.tally.add(row)
        }
      }
      return {
        object: 'costs',
        currency: 'USD',
        from: isoOrNull(asked.from),
        to: isoOrNull(asked.to),
        group_by: [...groupBy],
        key: seenBy(key),
        groups: [...groups.values()].toSorted(byValues).map(({ values, tally }) => ({
          group: Object.fromEntries(groupBy.map((name, index) => [name, values[index] ?? null])),
          ...tally.figures(offers.ofModel),
        })),
        total: total.figures(offers.ofModel),
        budgets: await budgetsOf(seenBy(key)),
      }
    },
  }
}

const METADATA = 'metadata.'

/** The metadata keys a grouping names, in its order. */
export const metadataOf = (groupBy: readonly string[]): readonly string[] =>
  groupBy.filter((name) => name.startsWith(METADATA)).map((name) => name.slice(METADATA.length))

function valuesOf(row: CostRow, groupBy: readonly string[]): readonly (string | null)[] {
  let metadata = 0
  return groupBy.map((name) => {
    switch (name) {
      case 'provider':
        return row.provider
      case 'model':
        return row.model
      case 'day':
        return dayOf(row.at)
      case 'key':
        return row.key
      default:
        return row.metadata[metadata++] ?? null
    }
  })
}

/** In the order of the grouping; what has no value comes last. */
function byValues(left: Group, right: Group): number {
  for (const [index, value] of left.values.entries()) {
    const other = right.values[index] ?? null
    if (value === other) continue
    if (value === null || other === null) return value === null ? 1 : -1
    return value < other ? -1 : 1
  }
  return 0
}
