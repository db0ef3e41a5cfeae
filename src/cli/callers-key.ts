import type { CurrentKey } from '#contract'
import { ClientError, createClient } from '../client/client.ts'
import type { Finding } from './finding.ts'

/** What the key that a verb would show may do at the gateway that runs, said by the gateway itself; never the key. */
export async function callersKey(url: string, key: string | undefined): Promise<Finding> {
  const found = (verdict: Finding['verdict'], detail: string): Finding => ({ check: 'gateway key', verdict, detail })
  try {
    const current = await createClient({ url, key }).currentKey()
    return found('ok', current.name === null ? 'the gateway asks for none' : inWords(current))
  } catch (error) {
    const isRefused = error instanceof ClientError && error.status === 401
    if (isRefused && key === undefined) return found('note', 'the gateway asks for one: set IMAGEGATE_KEY, or give --key')
    if (isRefused) return found('bad', 'the gateway does not know the one given: correct IMAGEGATE_KEY or --key')
    return found('note', `what it may do cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  }
}

const SCOPES: Readonly<Record<CurrentKey['scope'], string>> = {
  read: 'may read, and not buy',
  write: 'may read and buy',
  admin: 'may do everything',
}

function inWords({ name, scope, models, providers, rate, budget, expires_at: end }: CurrentKey): string {
  return [
    `${name ?? ''} ${SCOPES[scope]} (scope ${scope})`,
    ...(models === null ? [] : [`only the models ${models.join(', ')}`]),
    ...(providers === null ? [] : [`only the providers ${providers.join(', ')}`]),
    ...(budget === null ? [] : [`$${budget.left} left of $${budget.limit} (${budget.period})`]),
    ...(rate === null ? [] : [`${rate.per_minute} requests a minute`]),
    ...(end === null ? [] : [`until ${end}`]),
  ].join('; ')
}
