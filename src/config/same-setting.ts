import { createHmac } from 'node:crypto'
import { Secret } from '../transport/secret.ts'
import type { Config } from './config.ts'

/** Whether two settings are the same, secrets and maps compared by what they hold. Keys in another order are another setting. */
export const isSameSetting = (left: unknown, right: unknown): boolean => fingerprint(left) === fingerprint(right)

/**
 * Names what a configuration says, the same on every machine that reads the same: 12 hex digits. What is a machine's own is left out: where it
 * listens and keeps its files.
 * @param secret of the gateway's own; without it nobody can guess secrets of the configuration from their digest
 */
export function revisionOf(config: Config, secret: string): string {
  const { path: _path, isEmpty: _empty, dataDirectory: _data, configured: _configured, storeUrl: _store, server, ...rest } = config
  const { host: _host, port: _port, ...shared } = server
  const text = fingerprint({ ...rest, server: shared }) ?? ''
  return createHmac('sha256', secret).update(text).digest('hex').slice(0, 12)
}

/** Holds secrets in plain: compared and forgotten, never kept or shown. */
const fingerprint = (value: unknown): string | undefined =>
  JSON.stringify(value, function (this: Readonly<Record<string, unknown>>, name, written: unknown) {
    const held = this[name]
    if (held instanceof Secret) return { secret: held.reveal() }
    return held instanceof Map ? [...held] : written
  })
