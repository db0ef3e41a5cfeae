import type { Config } from '../config/config.ts'
import { isSameSetting } from '../config/same-setting.ts'

/**
 * Ids of the providers that a changed configuration switches on or off, moves, or gives another key: what was learned of them before says
 * nothing now. All of them where the breakers themselves are configured anew.
 */
export function providersReachedAnew(next: Config, before: Config): readonly string[] {
  const ids = [...new Set([...before.providers.keys(), ...next.providers.keys()])]
  if (!isSameSetting(next.breaker, before.breaker)) return ids
  const wayTo = ({ providers }: Config, id: string) => {
    const provider = providers.get(id)
    return provider ? [provider.enabled, provider.baseUrl, provider.apiKey] : null
  }
  return ids.filter((id) => !isSameSetting(wayTo(next, id), wayTo(before, id)))
}
