import type { CostFilters } from '#contract'
import type { KeyPolicy } from './budget.ts'
import { megapixelsOf, nearestName } from './cost-groups.ts'
import type { CostRow, CostSum } from '../records.ts'
import { Refusal } from '../generation/refusal.ts'

/** What a filter may name, as configured and installed now. */
export interface CostNames {
  readonly providers: () => readonly string[]
  /** Canonical models, by which costs are kept. */
  readonly models: () => readonly string[]
  /** The model that an alias or a `provider/model` stands for; null where it stands for none. */
  readonly modelOf: (name: string) => string | null
}

interface Surroundings {
  readonly names: CostNames
  readonly keys: () => readonly KeyPolicy[]
  /** The key that asks, where it sees its own costs only; null where it sees everybody's. */
  readonly own: string | null
  /** Whether it may know of a model, by the name that it asks for and the one in the account. */
  readonly knowsModel: (asked: string, model: string) => boolean
  readonly knowsProvider: (provider: string) => boolean
}

/**
 * The filters in force for whoever asks, and what to refuse with where nothing matches them: a name that nobody knows.
 * @throws Refusal where a key asks for another key's costs, whether that key exists or not
 */
export function filtersOf(
  filters: CostFilters,
  { names, keys, own, knowsModel, knowsProvider }: Surroundings,
): { readonly known: CostFilters; readonly unknown: Refusal | null } {
  if (own !== null && filters.key !== undefined && filters.key !== own)
    throw wrongFilter('key', `the key ${own} sees its own costs; leave it out, or ask with a key of admin scope`)
  const known = own === null ? filters : { ...filters, key: own }
  const ofKey: CostNames = {
    providers: () => names.providers().filter(knowsProvider),
    models: () => names.models().filter((model) => knowsModel(model, model)),
    modelOf(name) {
      const meant = names.modelOf(name)
      return meant !== null && knowsModel(name, meant) ? meant : null
    },
  }
  return { known, unknown: unknownName(filters, ofKey, own === null ? keys().map(({ name }) => name) : null) }
}

/** @param names those that whoever asks may know of */
function unknownName({ provider, model, key }: CostFilters, names: CostNames, keys: readonly string[] | null): Refusal | null {
  if (provider !== undefined && !names.providers().includes(provider)) return nothingCalled('provider', provider, names.providers())
  if (model !== undefined && !names.models().includes(model)) {
    const meant = names.modelOf(model)
    return meant === null
      ? nothingCalled('model', model, names.models())
      : wrongFilter('model', `${JSON.stringify(model)} is ${meant} in the account (did you mean "${meant}"?)`)
  }
  if (key !== undefined && keys !== null && !keys.includes(key)) return nothingCalled('key', key, keys)
  return null
}

function nothingCalled(field: 'provider' | 'model' | 'key', name: string, known: readonly string[]): Refusal {
  const near = nearestName(name, known)
  const list = near === '' && known.length > 0 ? `; there are ${known.join(', ')}` : ''
  return wrongFilter(field, `there is no ${field} ${JSON.stringify(name)}, and nothing was bought under that name${near}${list}`)
}

const wrongFilter = (path: string, message: string): Refusal => new Refusal('invalid_request', `${path}: ${message}`, [{ path, message }])

/** Whether a line of the account is of the asked size class and fidelity; the other filters are the store's. */
export const matches = (row: CostRow | CostSum, { megapixels, fidelity }: CostFilters): boolean =>
  (megapixels === undefined || megapixelsOf(row) === megapixels) && (fidelity === undefined || (row.task.fidelity ?? null) === fidelity)
