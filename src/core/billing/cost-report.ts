import type { CostFilters, CostReport, Usd } from '#contract'
import type { CostRow, CostSum, Instant } from '../records.ts'
import type { Offers } from '../offers.ts'
import { budgetOf, budgetView } from './budget.ts'
import { filtersOf, matches } from './cost-filters.ts'
import type { CostNames } from './cost-filters.ts'
import { byValues, metadataOf, valuesOf } from './cost-groups.ts'
import { createCostTally } from './cost-tally.ts'
import type { CostTally } from './cost-tally.ts'
import type { Breathe, Clock, CostQuery, Store } from '../ports.ts'
import { turnOf } from '../../reading/turn-of.ts'
import { isoOrNull } from '../instant.ts'
import { Refusal } from '../generation/refusal.ts'
import type { KeyPolicy } from '../keys/key-policy.ts'
import { mayUseModel, mayUseProvider } from '../keys/may-use.ts'
import { policyInForce } from '../keys/policy-in-force.ts'

export interface CostsAsked {
  /** By when it was settled; inclusive. Null: from the beginning. */
  readonly from: Instant | null
  /** Exclusive. Null: until now. */
  readonly to: Instant | null
  /** Names of `COST_GROUPINGS` and `metadata.<key>`. */
  readonly groupBy: readonly string[]
  /** Absent: everything. */
  readonly filters?: CostFilters
}

/** What was spent. A gateway key sees its own costs, an admin key and a gateway without keys everybody's. */
export interface Costs {
  /** @throws Refusal where a filter names what does not exist, or there are too many groups for one answer */
  report(asked: CostsAsked, key: string | null): Promise<CostReport>
  /** Each attempt by itself, in pages, with its generation's metadata. @throws Refusal as `report` does for names */
  rows(asked: CostsAsked, key: string | null): AsyncIterable<readonly CostRow[]>
  /** What a key may still spend in its period; null where it has no budget. */
  budgetLeft(key: string | null): Promise<Usd | null>
  /** Every budget as it stands now, or one key's. */
  budgets(key?: string): Promise<CostReport['budgets']>
}

export interface CostsDependencies {
  readonly store: Pick<Store, 'costs' | 'costSums' | 'budgetUsed'>
  readonly offers: Pick<Offers, 'ofModel' | 'standing' | 'keys'>
  readonly names: CostNames
  readonly clock: Pick<Clock, 'now'>
  /** Lets everything else run while what a key asked for is added up. */
  readonly breather: (whose: string) => Breathe
}

/** More groups than this would make an answer of many megabytes, which nobody reads; CSV has no such limit. */
const MOST_GROUPS = 2_000

interface Group {
  readonly values: readonly (string | null)[]
  readonly tally: CostTally
}

export function createCosts({ store, offers, names, clock, breather }: CostsDependencies): Costs {
  const policyOf = (key: string | null) => policyInForce(offers.standing(key))
  const seesAll = (key: string | null): boolean => policyOf(key)?.admin ?? true

  async function* matching<Line extends CostRow | CostSum>(
    { from, to, filters = {} }: CostsAsked,
    key: string | null,
    read: (query: CostQuery) => AsyncIterable<readonly Line[]>,
  ) {
    const { known, unknown } = filtersOf(filters, { names, ...asKnownTo(policyOf(key), offers, key) })
    const { key: whose = null, provider, model, metadata = {} } = known
    let isEmpty = true
    for await (const page of read({ from, to, key: whose, provider, model, metadata })) {
      const fitting = page.filter((row) => matches(row, known))
      isEmpty &&= fitting.length === 0
      if (fitting.length > 0) yield fitting
    }
    // A name that is not known any more still has its rows; one that never was has none.
    if (isEmpty && unknown) throw unknown
  }
  const rows = (asked: CostsAsked, key: string | null) => matching(asked, key, (query) => store.costs({ ...query, withGeneration: true }))
  const sums = (asked: CostsAsked, key: string | null) =>
    matching(asked, key, (query) => store.costSums({ ...query, metadataNames: metadataOf(asked.groupBy) }))

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
    budgets: (key) => budgetsOf(key ?? null),
    budgetLeft: async (key) => (await budgetOf(store, policyOf(key), clock.now()))?.left ?? null,
    async report(asked, key) {
      const { groupBy, filters = {} } = asked
      const breathe = breather(turnOf({ key }))
      const { groups, total } = await tallied(sums(asked, key), groupBy, breathe)
      const offersOf = usableOffers(offers, policyOf(key))
      const figures = await total.figures(offersOf, breathe)
      const grouped: CostReport['groups'] = []
      for (const { values, tally } of groups.toSorted((left, right) => byValues(left.values, right.values)))
        grouped.push({ group: groupOf(groupBy, values), ...(await tally.figures(offersOf, breathe)) })
      return {
        object: 'costs',
        currency: 'USD',
        from: isoOrNull(asked.from),
        to: isoOrNull(asked.to),
        group_by: [...groupBy],
        filters,
        key: seesAll(key) ? (filters.key ?? null) : key,
        groups: grouped,
        total: figures,
        what_if: figures.what_if,
        cheapest: figures.cheapest,
        budgets: await budgetsOf(seesAll(key) ? (filters.key ?? null) : key),
      }
    },
  }
}

const groupOf = (names: readonly string[], values: Group['values']): CostReport['groups'][number]['group'] =>
  Object.fromEntries(names.map((name, index) => [name, values[index] ?? null]))

/** What others charge, and what of that was negotiated, is not for a key that may not buy there. */
const usableOffers = (offers: Pick<Offers, 'ofModel'>, policy: KeyPolicy | null) => (model: string) =>
  offers.ofModel(model).filter(({ provider }) => mayUseProvider(policy?.providers ?? null, provider))

/** What whoever asks may know of. */
const asKnownTo = (
  policy: KeyPolicy | null,
  offers: Pick<Offers, 'ofModel' | 'keys'>,
  key: string | null,
): Omit<Parameters<typeof filtersOf>[1], 'names'> => ({
  keys: offers.keys,
  own: (policy?.admin ?? true) ? null : key,
  knowsProvider: (name) => mayUseProvider(policy?.providers ?? null, name),
  knowsModel: (asked, name) =>
    mayUseModel(policy?.models ?? null, asked, name) && (!policy?.providers || usableOffers(offers, policy)(name).length > 0),
})

async function tallied(
  pages: AsyncIterable<readonly (CostRow | CostSum)[]>,
  groupBy: readonly string[],
  breathe: Breathe,
): Promise<{ readonly groups: readonly Group[]; readonly total: CostTally }> {
  const groups = new Map<string | null, Group>()
  const total = createCostTally()
  for await (const page of pages) {
    for (const row of page) {
      total.addUnknown(row)
      const values = valuesOf(row, groupBy)
      const name = values.length === 1 ? (values[0] ?? null) : JSON.stringify(values)
      const group = groups.get(name) ?? { values, tally: createCostTally() }
      groups.set(name, group)
      group.tally.add(row)
    }
    if (groups.size > MOST_GROUPS) throw tooManyGroups(groupBy)
  }
  for (const { tally } of groups.values()) await total.addKnownOf(tally, breathe)
  return { groups: [...groups.values()], total }
}

function tooManyGroups(groupBy: readonly string[]): Refusal {
  const message = `grouped by ${groupBy.join(', ')} there are more than ${MOST_GROUPS} groups; group by less, filter, or ask for format=csv`
  return new Refusal('invalid_request', `group_by: ${message}`, [{ path: 'group_by', message }])
}
