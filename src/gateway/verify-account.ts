import { join } from 'node:path'
import type { Usd } from '#contract'
import type { Config } from '../config/config.ts'
import { hashOfKey } from '../http/access.ts'

/** The configuration with this provider alone to buy from, one gateway key that may spend so much, and a data folder of its own. */
export function ownAccount(
  config: Config,
  { provider, maxUsd }: { readonly provider: string; readonly maxUsd: Usd },
  secret: string,
): Config {
  const data = join(config.configured.dataDirectory, 'verify')
  const kept = { dataDirectory: data, storeUrl: `file:${data}/imagegate.db`, assetsUrl: `file:${data}/images` }
  return {
    ...config,
    dataDirectory: data,
    storeUrl: kept.storeUrl,
    configured: kept,
    assets: { ...config.assets, url: kept.assetsUrl, keep: true },
    server: { ...config.server, host: '127.0.0.1', port: 0, publicUrl: null },
    models: new Map(),
    breaker: null,
    keys: [
      {
        name: `verify-${new Date().toISOString()}`,
        keyHash: hashOfKey(secret),
        budgetUsd: maxUsd,
        period: 'total',
        models: null,
        providers: [provider],
        allowUnpriced: false,
        scope: 'admin',
        admin: true,
        ratePerMinute: null,
        expiresAt: null,
      },
    ],
  }
}
