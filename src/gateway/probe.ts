import { compareUsd } from '#contract'
import type { Call, FailureCode } from '#contract'
import type { Catalogue } from '../catalogue/catalogue.ts'
import type { Ids, Send } from '../core/ports.ts'

const PROBE_TIMEOUT_MS = 10_000

/**
 * Asks a provider for a sign of life without paying. Where it has a balance to read, that call is the probe: it proves the address, the key and,
 * after `insufficient_credit`, that there is credit again. Where it has no free call, its base URL is fetched: any answer but a server
 * error proves that its front is up, and no more than that.
 */
export function createProbe({ catalogue, send, ids }: { catalogue: Catalogue; send: Send; ids: Pick<Ids, 'task'> }) {
  return async (id: string, fault: FailureCode): Promise<boolean> => {
    const adapter = catalogue.providers.get(id)?.adapter
    if (!adapter) return false
    const account = adapter.account?.(ids.task())
    const call: Call = account ?? { purpose: 'account', method: 'GET', url: '/' }
    const sent = await send(id, call, PROBE_TIMEOUT_MS)
    if (sent.kind !== 'reply' || sent.reply.status >= 500) return false
    if (!account) return true
    const balance = adapter.readBalance?.(sent.reply) ?? null
    if (balance === null) return false
    return fault !== 'insufficient_credit' || compareUsd(balance, '0') > 0
  }
}
