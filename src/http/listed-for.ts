import type { Model } from '#contract'
import { mayUseModel, mayUseProvider, USE_OTHERS } from '../core/keys/may-use.ts'
import type { Caller } from './access.ts'
import type { ModelSource } from './model-source.ts'

/** The catalogue as far as the caller may use it: its models, and of each the offers of its providers. */
export function modelsFor(models: ModelSource, { models: names, providers }: Caller): ModelSource {
  const shown = (model: Model | null): Model | null => {
    if (model === null || !mayUseModel(names, model.id, model.alias_of ?? model.id)) return null
    if (providers === null) return model
    const offers = model.offers.filter(({ provider }) => mayUseProvider(providers, provider))
    return offers.length === 0 ? null : { ...model, offers }
  }
  return {
    list: () => models.list().flatMap((model) => shown(model) ?? []),
    find: (id) => shown(models.find(id)),
    // A name that the key may not use is none that is near.
    suggest: (id) => (names === null && providers === null ? models.suggest(id) : USE_OTHERS),
  }
}
