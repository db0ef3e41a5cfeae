import type { Instant } from '../records.ts'
import { callerOf } from './caller.ts'
import type { Caller, KeyRules } from './caller.ts'
import { isSameHash, keyedHash } from './key-record.ts'
import type { KeyRecord } from './key-record.ts'

/** A key of the configuration: the SHA-256 of its secret in hex, and from when it is refused (ISO 8601). */
export interface ConfiguredKey extends KeyRules {
  readonly keyHash: string
  readonly expiresAt: string | null
}

/** What one secret opens. */
export interface Entry {
  readonly hash: string
  readonly caller: Caller
  readonly until: Instant | null
  /** Null for a key of the configuration, whose use is not kept. */
  readonly record: KeyRecord | null
}

/** A key by its name. */
export interface Named {
  readonly rules: KeyRules
  /** From when it is refused; null: never. */
  readonly until: Instant | null
}

/** @param own keys made at run time whose names no key of the configuration has */
export const byName = (configured: readonly ConfiguredKey[], own: readonly KeyRecord[]): ReadonlyMap<string, Named> =>
  new Map<string, Named>([
    ...configured.map((key) => [key.name, { rules: key, until: endOf(key) }] as const),
    ...own.map((record) => [record.name, { rules: rulesOf(record), until: record.expiresAt }] as const),
  ])

const endOf = ({ expiresAt }: ConfiguredKey): Instant | null => (expiresAt === null ? null : Date.parse(expiresAt))

export const isLive = ({ until }: Pick<Named, 'until'>, now: Instant): boolean => until === null || until > now

/** Whether any of these keys counts at this instant. */
export const isAnyLive = (configured: readonly ConfiguredKey[], own: readonly Pick<KeyRecord, 'expiresAt'>[], now: Instant): boolean =>
  [...configured.map(endOf), ...own.map(({ expiresAt }) => expiresAt)].some((until) => isLive({ until }, now))

export const byHash = (entries: readonly Entry[]): ReadonlyMap<string, Entry> => new Map(entries.map((entry) => [entry.hash, entry]))

export function entryOf(index: ReadonlyMap<string, Entry>, hash: string): Entry | undefined {
  const entry = index.get(hash)
  return entry !== undefined && isSameHash(entry.hash, hash) ? entry : undefined
}

export const entryOfConfigured = (key: ConfiguredKey, pepper: string): Entry => ({
  hash: keyedHash(pepper, key.keyHash),
  caller: callerOf(key),
  until: endOf(key),
  record: null,
})

export const rulesOf = (record: KeyRecord): KeyRules => ({ ...record, admin: record.scope === 'admin' })

export function entriesOf(record: KeyRecord): readonly Entry[] {
  const caller = callerOf(rulesOf(record))
  const { expiresAt } = record
  const earlier = record.previous.map(({ hash, until }) => ({ hash, caller, record, until: Math.min(until, expiresAt ?? Infinity) }))
  return [{ hash: record.hash, caller, record, until: expiresAt }, ...earlier]
}
