import { createHash } from 'node:crypto'
import { KeyConflict, StoreError } from '../ports.ts'
import type { Clock, KeyChange, Log, Store } from '../ports.ts'
import type { Instant } from '../records.ts'
import type { Caller, KeyRules } from './caller.ts'
import { byHash, byName, entriesOf, entryOf, entryOfConfigured, isAnyLive, isLive } from './key-index.ts'
import type { ConfiguredKey, Entry, Named } from './key-index.ts'
import type { Standing } from './key-policy.ts'
import { keyedHash, newKeySecret } from './key-record.ts'
import type { KeyRecord } from './key-record.ts'
import { KeyWrites } from './key-writes.ts'
import { OneByOne } from './one-by-one.ts'

export type { ConfiguredKey }

/** What a key is made with. */
export type NewKey = Omit<KeyRecord, 'hash' | 'previous' | 'createdAt' | 'rotatedAt' | 'lastUsedAt'>

export interface ListedKey extends Omit<KeyRecord, 'hash' | 'previous'> {
  readonly source: 'configuration' | 'api'
  /** The last instant at which an earlier secret counts; null where none does. */
  readonly previousUntil: Instant | null
}

/** Why a key cannot be made or changed. */
export class KeyRefused extends Error {
  readonly reason: 'taken' | 'configured' | 'missing' | 'last'
  constructor(reason: KeyRefused['reason'], message: string) {
    super(message)
    this.reason = reason
  }
}

/** Every gateway key: those of the configuration, and those made at run time, which are in the store. */
export interface GatewayKeys {
  /** Whether callers are asked for a key. Once on, it stays on until a restart, whatever becomes of the keys. */
  isOn(): boolean
  /** Whether any key counts now, of these of a configuration or made at run time: not revoked, not expired. */
  isAnyLive(configured: readonly ConfiguredKey[]): boolean
  /** Who shows this secret; null where it is none that counts now. */
  identify(secret: string): Caller | null
  /** Whose this secret is now; null where it does not count. Asking is no use of the key. */
  holder(secret: string): Caller | null
  /** Called after each change by `create`, `rotate` and `revoke`, which answer behind what it returns. */
  onChanged(listener: () => Promise<void>): void
  /** All that a key may do; null where there is no such key. */
  rules(name: string): KeyRules | null
  /** What whoever asks under this name may do now; null: no key was asked for. */
  standing(key: string | null): Standing
  allRules(): readonly KeyRules[]
  list(): readonly ListedKey[]
  /** `secret` is the one given in plain, or a fresh one. @throws KeyRefused */
  create(asked: NewKey, secret?: string): Promise<{ readonly key: ListedKey; readonly secret: string; readonly turnedOn: boolean }>
  /** A fresh secret; the one before it counts for `graceMs` more. @throws KeyRefused */
  rotate(name: string, graceMs: number): Promise<{ readonly key: ListedKey; readonly secret: string }>
  /** Counts no more from now on. @throws KeyRefused */
  revoke(name: string): Promise<void>
}

export interface GatewayKeysDependencies {
  readonly store: Pick<Store, 'keys' | 'commit' | 'nodes'>
  readonly clock: Pick<Clock, 'now' | 'after'>
  readonly log: Pick<Log, 'error'>
  /** What secrets are hashed under; kept in the store. */
  readonly pepper: string
  /** The keys of the configuration in force; another array after each change. */
  readonly configured: () => readonly ConfiguredKey[]
  /** Nobody serves while the last key is taken away, so that it may be: for the command line on a stopped gateway. */
  readonly isStopped?: boolean
}

/** How exactly the last use is kept. */
const USE_STEP_MS = 60_000
/** How soon keys that could not be read are read again. */
const READ_AGAIN_MS = 1_000

export async function createGatewayKeys(deps: GatewayKeysDependencies): Promise<GatewayKeys> {
  const keys = new Keys(deps, await deps.store.keys())
  deps.store.nodes?.onMessage(({ kind }) => {
    if (kind === 'keys' || kind === 'reconnected') keys.hearOfChanges()
  })
  return keys
}

class Keys implements GatewayKeys {
  readonly #deps: GatewayKeysDependencies
  readonly #records: Map<string, KeyRecord>
  readonly #writes: KeyWrites
  #made: ReadonlyMap<string, Entry> = new Map()
  #configured: ReadonlyMap<string, Entry> = new Map()
  #named: ReadonlyMap<string, Named> = new Map()
  #indexedFrom: readonly ConfiguredKey[] | null = null
  #wasOn = false
  readonly #listeners: (() => Promise<void>)[] = []
  /**
   * Changes and readings, each judged by what the one before it left: else a rotation that was begun before a revocation would bring the key back
   * behind it, and two keys could both be revoked as the last but one.
   */
  readonly #work = new OneByOne()

  constructor(deps: GatewayKeysDependencies, records: readonly KeyRecord[]) {
    this.#deps = deps
    this.#records = new Map(records.map((record) => [record.name, record]))
    this.#writes = new KeyWrites(deps.store)
  }

  /** Another process made, changed or revoked some, perhaps. What was revoked there must not count here for longer than can be helped. */
  hearOfChanges(): void {
    this.#work
      .do(() => this.#read())
      .catch((error: unknown) => {
        if (error instanceof StoreError && error.reason === 'closed') return
        this.#deps.clock.after(READ_AGAIN_MS, () => this.hearOfChanges())
      })
  }

  async #read(): Promise<void> {
    const records = await this.#deps.store.keys()
    this.#records.clear()
    for (const record of records) this.#records.set(record.name, record)
    this.isOn()
    this.#changed()
  }

  isOn(): boolean {
    this.#wasOn ||= this.#records.size > 0 || this.#deps.configured().length > 0
    return this.#wasOn
  }

  isAnyLive(configured: readonly ConfiguredKey[]): boolean {
    const names = new Set(configured.map(({ name }) => name))
    const own = [...this.#records.values()].filter(({ name }) => !names.has(name))
    return isAnyLive(configured, own, this.#deps.clock.now())
  }

  identify(secret: string): Caller | null {
    const entry = this.#liveEntry(secret)
    if (entry === null) return null
    if (entry.record !== null) this.#used(entry.record, this.#deps.clock.now())
    return entry.caller
  }

  holder(secret: string): Caller | null {
    return this.#liveEntry(secret)?.caller ?? null
  }

  onChanged(listener: () => Promise<void>): void {
    this.#listeners.push(listener)
  }

  rules(name: string): KeyRules | null {
    this.#renew()
    return this.#named.get(name)?.rules ?? null
  }

  standing(key: string | null): Standing {
    if (key === null) return { kind: 'everybody' }
    this.#renew()
    const named = this.#named.get(key)
    return named !== undefined && isLive(named, this.#deps.clock.now()) ? { kind: 'key', policy: named.rules } : { kind: 'ended', key }
  }

  allRules(): readonly KeyRules[] {
    this.#renew()
    return [...this.#named.values()].map(({ rules }) => rules)
  }

  list(): readonly ListedKey[] {
    return [...this.#deps.configured().map(listedConfigured), ...this.#own().map((record) => this.#listed(record))]
  }

  create(asked: NewKey, secret = newKeySecret()): Promise<{ key: ListedKey; secret: string; turnedOn: boolean }> {
    return this.#work.do(() => this.#create(asked, secret))
  }

  async #create(asked: NewKey, secret: string): Promise<{ key: ListedKey; secret: string; turnedOn: boolean }> {
    if (this.rules(asked.name) !== null)
      throw new KeyRefused('taken', `there is a key ${asked.name} already; take another name, or rotate it`)
    const hash = keyedHash(this.#deps.pepper, secret)
    if (this.holder(secret) !== null || [...this.#records.values()].some((record) => record.hash === hash))
      throw new KeyRefused('taken', 'another key has this secret; take another one')
    const record: KeyRecord = { ...asked, hash, previous: [], createdAt: this.#deps.clock.now(), rotatedAt: null, lastUsedAt: null }
    const turnedOn = !this.isOn()
    // Another process made one of this name or secret; as it is now, it is said which.
    if (!(await this.#save({ kind: 'made', record }))) return this.#create(asked, secret)
    return { key: this.#listed(record), secret, turnedOn }
  }

  rotate(name: string, graceMs: number): Promise<{ key: ListedKey; secret: string }> {
    return this.#work.do(() => this.#rotate(name, graceMs))
  }

  async #rotate(name: string, graceMs: number): Promise<{ key: ListedKey; secret: string }> {
    const before = this.#existing(name)
    const now = this.#deps.clock.now()
    const secret = newKeySecret()
    const kept = graceMs === 0 ? [] : [{ hash: before.hash, until: now + graceMs }, ...before.previous.filter(({ until }) => until > now)]
    const record = { ...before, hash: keyedHash(this.#deps.pepper, secret), previous: kept, rotatedAt: now }
    // Where another process was quicker, its secret is the one that is replaced.
    if (!(await this.#save({ kind: 'changed', record, from: before.hash }))) return this.#rotate(name, graceMs)
    return { key: this.#listed(record), secret }
  }

  revoke(name: string): Promise<void> {
    return this.#work.do(() => this.#revoke(name))
  }

  async #revoke(name: string): Promise<void> {
    this.#existing(name)
    const isStopped = this.#deps.isStopped === true
    const now = this.#deps.clock.now()
    const configured = this.#deps.configured()
    const others = this.#own().filter((key) => key.name !== name)
    if (!isStopped && !isAnyLive(configured, others, now)) {
      const message = `${name} is the last key that counts, and without one nobody could use this gateway, nor make another; create another key first. To serve without keys, stop the gateway and run \`imagegate keys revoke ${name}\` on its data folder`
      throw new KeyRefused('last', message)
    }
    // Another process revoked it, or another one: as it is now, it is said why.
    const unlessLastAt = isStopped || isAnyLive(configured, [], now) ? null : now
    if (!(await this.#write({ kind: 'revoked', name, unlessLastAt }, () => this.#records.delete(name)))) return this.#revoke(name)
    this.#changed()
  }

  /** A name that the configuration has too is the configuration's. */
  #own(): readonly KeyRecord[] {
    const names = new Set(this.#deps.configured().map(({ name }) => name))
    return [...this.#records.values()].filter(({ name }) => !names.has(name))
  }

  #existing(name: string): KeyRecord {
    if (this.#deps.configured().some((key) => key.name === name))
      throw new KeyRefused('configured', `the key ${name} is in the configuration file; change it there`)
    const record = this.#records.get(name)
    if (record === undefined) throw new KeyRefused('missing', `there is no key ${name}`)
    return record
  }

  async #save(keyChange: KeyChange & { readonly record: KeyRecord }): Promise<boolean> {
    const { record } = keyChange
    const isWritten = await this.#write(keyChange, () => this.#records.set(record.name, record))
    this.isOn()
    this.#changed()
    return isWritten
  }

  /** False where the key is not what it was here; what it is by now is read then. */
  async #write(keyChange: KeyChange, written: () => void): Promise<boolean> {
    const name = 'record' in keyChange ? keyChange.record.name : keyChange.name
    try {
      await this.#writes.change(name, { keyChange }, written)
      return true
    } catch (error) {
      if (!(error instanceof KeyConflict)) throw error
      await this.#read()
      return false
    }
  }

  /** Written at most once a minute, and not waited for. */
  #used(record: KeyRecord, now: Instant): void {
    const current = this.#records.get(record.name)
    if (
      current === undefined ||
      this.#writes.isChanging(record.name) ||
      (current.lastUsedAt !== null && now - current.lastUsedAt < USE_STEP_MS)
    )
      return
    const used = { ...current, lastUsedAt: now }
    this.#records.set(record.name, used)
    this.#writes.use(record.name, { keyChange: { kind: 'used', name: record.name, at: now } }, (error) =>
      this.#deps.log.error({ err: error, key: record.name }, 'the last use of a key could not be kept'),
    )
  }

  #listed({ hash: _hash, previous, ...record }: KeyRecord): ListedKey {
    const now = this.#deps.clock.now()
    const ends = previous.map(({ until }) => until).filter((until) => until > now)
    return { ...record, source: 'api', previousUntil: ends.length === 0 ? null : Math.max(...ends) }
  }

  /** Both hashes are made under a pepper that no caller knows, so neither the search nor its time says anything of a key. */
  #liveEntry(secret: string): Entry | null {
    this.#renew()
    const made = keyedHash(this.#deps.pepper, secret)
    const configured = keyedHash(this.#deps.pepper, createHash('sha256').update(secret).digest('hex'))
    // Each among its own kind: else the `key_hash` of the configuration, shown as a secret, would itself be a key.
    const entry = entryOf(this.#made, made) ?? entryOf(this.#configured, configured)
    return entry !== undefined && isLive(entry, this.#deps.clock.now()) ? entry : null
  }

  #changed(): void {
    this.#indexedFrom = null
    this.#work.ends(this.#listeners.map((listener) => listener()))
  }

  /** Every request asks, so what is searched is made once for each change of the keys. */
  #renew(): void {
    const configured = this.#deps.configured()
    if (configured === this.#indexedFrom) return
    this.#indexedFrom = configured
    const own = this.#own()
    this.#made = byHash(own.flatMap(entriesOf))
    this.#configured = byHash(configured.map((key) => entryOfConfigured(key, this.#deps.pepper)))
    this.#named = byName(configured, own)
  }
}

const listedConfigured = ({ keyHash: _keyHash, admin: _admin, expiresAt, ...rules }: ConfiguredKey): ListedKey => ({
  ...rules,
  source: 'configuration',
  createdAt: 0,
  rotatedAt: null,
  expiresAt: expiresAt === null ? null : Date.parse(expiresAt),
  lastUsedAt: null,
  previousUntil: null,
})
