import { createHash } from 'node:crypto'
import type { LookupFunction } from 'node:net'
import type { Manifest } from '#contract'
import type { Download, Send } from '../core/ports.ts'
import { type Agents, createAgents } from './agents.ts'
import { createCredentials } from './credentials.ts'
import { createDestinationCheck, type DestinationCheck } from './destination.ts'
import { createDownload } from './download.ts'
import { createRedactor } from './redactor.ts'
import { parseAllow } from './guard.ts'
import { createPost, type Post } from './post.ts'
import { createProxy, type ProxySettings } from './proxy.ts'
import type { Secret } from './secret.ts'
import { type CallLog, createSend } from './send.ts'
import { buildAll } from './settings-problem.ts'

export interface TransportConfig {
  readonly providers: readonly {
    readonly id: string
    readonly manifest: Pick<Manifest, 'hosts' | 'auth'>
    readonly baseUrl: string
    readonly apiKey: Secret
  }[]
  /** The configuration's `network.allow`. */
  readonly allow: readonly string[]
  /** What everything outside this machine is reached through; null or absent: directly. The guard judges as without it. */
  readonly proxy?: ProxySettings | null
  readonly log?: CallLog
  /** A larger vendor reply is `lost`; 64 MiB by default. */
  readonly maxReplyBytes?: number
  readonly lookup?: LookupFunction
}

/** Sends and downloads with the settings that were in force when it was taken, whatever is changed meanwhile. */
export interface TransportLease {
  send(...call: Parameters<Send>): ReturnType<Send>
  download(...wanted: Parameters<Download>): ReturnType<Download>
  /** Lets go of the settings: when the last lease of replaced settings is released, their connections close. More than once does nothing. */
  release(): void
}

/**
 * Everything that was built from one configuration: keys, base URLs, the allow list and the connections. It lives until it is retired and
 * nothing uses it any more.
 */
export class Wiring {
  readonly send: Send
  readonly download: Download
  readonly post: Post
  readonly objection: DestinationCheck
  readonly #config: TransportConfig
  readonly #fingerprint: string
  readonly #agents: Agents
  readonly #closed = Promise.withResolvers<void>()
  #calls = 0
  #leases = 0
  #isRetired = false
  #ignoresLeases = false
  #isClosing = false

  /** @throws SettingsRefused with every problem */
  constructor(config: TransportConfig) {
    const { providers, log, maxReplyBytes, lookup } = config
    const [credentials, allow, proxy] = buildAll([
      () => createCredentials(providers.map(({ id, ...entry }) => ({ provider: id, ...entry }))),
      () => parseAllow(config.allow),
      () => (config.proxy ? createProxy(config.proxy) : null),
    ])
    this.#config = config
    this.#fingerprint = fingerprintOf(config)
    this.#agents = createAgents({ providers, allow, ...(lookup === undefined ? {} : { lookup }), ...(proxy === null ? {} : { proxy }) })
    const agents = this.#agents
    this.send = createSend({
      credentials,
      agents,
      ...(log === undefined ? {} : { log }),
      ...(maxReplyBytes === undefined ? {} : { maxReplyBytes }),
    })
    const keys = providers.map(({ id, apiKey }) => [id, createRedactor(apiKey)] as const)
    const download = createDownload({ agents, redactors: new Map(keys) })
    this.download = (url, options) => this.#during(() => download(url, options))
    const post = createPost({ agents })
    this.post = (url, message) => this.#during(() => post(url, message))
    this.objection = createDestinationCheck({ allow, ...(lookup === undefined ? {} : { lookup }) })
  }

  /** Whether these settings are the ones it was built from. */
  isBuiltFrom(config: TransportConfig): boolean {
    const { log, lookup } = this.#config
    return config.log === log && config.lookup === lookup && fingerprintOf(config) === this.#fingerprint
  }

  /** Keeps it alive, its connections included, until the lease is released. */
  lease(): TransportLease {
    this.#leases += 1
    return new Lease(this)
  }

  /** Of a lease, once. */
  released(): void {
    this.#leases -= 1
    this.#closeWhereUnused()
  }

  /** Resolves when no call and no lease uses it any more and its connections are closed. */
  retire(): Promise<void> {
    this.#isRetired = true
    this.#closeWhereUnused()
    return this.#closed.promise
  }

  /** As `retire`, but does not wait for leases: what they would still send is refused. */
  close(): Promise<void> {
    this.#ignoresLeases = true
    return this.retire()
  }

  /** Keeps the connections open between the hops of one fetch. */
  async #during<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#calls += 1
    try {
      return await work()
    } finally {
      this.#calls -= 1
      this.#closeWhereUnused()
    }
  }

  #closeWhereUnused(): void {
    const isLeased = this.#leases > 0 && !this.#ignoresLeases
    if (!this.#isRetired || this.#isClosing || this.#calls > 0 || isLeased) return
    this.#isClosing = true
    this.#agents.close().then(this.#closed.resolve, this.#closed.reject)
  }
}

/** A class, since each of thousands of open attempts holds one. */
class Lease implements TransportLease {
  readonly #wiring: Wiring
  #isHeld = true

  constructor(wiring: Wiring) {
    this.#wiring = wiring
  }

  send(...call: Parameters<Send>): ReturnType<Send> {
    return this.#wiring.send(...call)
  }

  download(...wanted: Parameters<Download>): ReturnType<Download> {
    return this.#wiring.download(...wanted)
  }

  release(): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    this.#wiring.released()
  }
}

/** A hash of all settings, so that a key is compared and not kept a second time. */
function fingerprintOf({ providers, allow, proxy, maxReplyBytes }: TransportConfig): string {
  const settings = providers.map(({ id, manifest: { hosts, auth }, baseUrl, apiKey }) => [id, hosts, auth, baseUrl, apiKey.reveal()])
  return createHash('sha256')
    .update(JSON.stringify([settings, allow, proxy?.url.reveal(), proxy?.noProxy, maxReplyBytes]))
    .digest('hex')
}
