import type { LookupFunction } from 'node:net'
import type { Manifest } from '#contract'
import type { Download, Log, Send } from '../core/ports.ts'
import { type Agents, createAgents } from './agents.ts'
import { createCredentials } from './credentials.ts'
import { createDestinationCheck, type DestinationCheck } from './destination.ts'
import { createDownload } from './download.ts'
import { parseAllow } from './guard.ts'
import { createPost, type Post } from './post.ts'
import type { Secret } from './secret.ts'
import { createSend } from './send.ts'

export interface TransportConfig {
  readonly providers: readonly {
    readonly id: string
    readonly manifest: Pick<Manifest, 'hosts' | 'auth'>
    readonly baseUrl: string
    readonly apiKey: Secret
  }[]
  /** The configuration's `network.allow`. */
  readonly allow: readonly string[]
  readonly log?: Pick<Log, 'info'>
  /** A larger vendor reply is `lost`; 64 MiB unless told. */
  readonly maxReplyBytes?: number
  readonly lookup?: LookupFunction
}

export interface Transport {
  readonly send: Send
  readonly download: Download
  readonly post: Post
  /** Judges a URL that `post` is to tell something later. */
  readonly objection: DestinationCheck
  /**
   * New calls use the new settings; calls in flight finish undisturbed, then their connections close.
   * @throws TypeError where the settings are wrong; the old ones stay
   */
  update(config: TransportConfig): void
  /** Refuses new calls and resolves when those in flight are done, which the caller bounds in time. */
  close(): Promise<void>
}

/** @throws TypeError where `allow` or a base URL is wrong, naming it */
export function createTransport(config: TransportConfig): Transport {
  let current = new Wiring(config)
  const retiring = new Set<Promise<void>>()
  const retire = (old: Wiring): void => {
    const retired = old.retire().finally(() => retiring.delete(retired))
    retiring.add(retired)
  }
  return {
    send: (provider, call, timeoutMs) => current.send(provider, call, timeoutMs),
    download: (url, options) => current.during((wiring) => wiring.download(url, options)),
    post: (url, message) => current.during((wiring) => wiring.post(url, message)),
    objection: (url) => current.objection(url),
    update(next) {
      const old = current
      current = new Wiring(next)
      retire(old)
    },
    async close() {
      retire(current)
      await Promise.all(retiring)
    },
  }
}

/** Everything that was built from one configuration. */
class Wiring {
  readonly send: Send
  readonly download: Download
  readonly post: Post
  readonly objection: DestinationCheck
  readonly #agents: Agents
  readonly #idle = Promise.withResolvers<void>()
  #busy = 0
  #retired: Promise<void> | undefined

  constructor({ providers, allow, log, maxReplyBytes, lookup }: TransportConfig) {
    const credentials = createCredentials(providers.map(({ id, ...entry }) => ({ provider: id, ...entry })))
    this.#agents = createAgents({ providers, allow: parseAllow(allow), ...(lookup === undefined ? {} : { lookup }) })
    this.send = createSend({
      credentials,
      agents: this.#agents,
      ...(log === undefined ? {} : { log }),
      ...(maxReplyBytes === undefined ? {} : { maxReplyBytes }),
    })
    this.download = createDownload({ agents: this.#agents })
    this.post = createPost({ agents: this.#agents })
    this.objection = createDestinationCheck({ allow: parseAllow(allow), ...(lookup === undefined ? {} : { lookup }) })
  }

  /** Keeps the agents open between the hops of one fetch. */
  async during<Result>(work: (wiring: Wiring) => Promise<Result>): Promise<Result> {
    this.#busy += 1
    try {
      return await work(this)
    } finally {
      this.#busy -= 1
      if (this.#retired !== undefined && this.#busy === 0) this.#idle.resolve()
    }
  }

  /** Resolves when nothing uses it any more and its connections are closed. Asked again, it is the same end. */
  retire(): Promise<void> {
    this.#retired ??= this.#busy > 0 ? this.#idle.promise.then(() => this.#agents.close()) : this.#agents.close()
    return this.#retired
  }
}
