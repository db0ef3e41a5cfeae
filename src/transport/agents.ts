import type { LookupFunction } from 'node:net'
import type { Manifest } from '#contract'
import { guardedConnector } from './connector.ts'
import { matchesHost } from '#contract'
import { type AllowList, hostPort } from './guard.ts'
import { OriginPools } from './origin-pools.ts'
import type { Dispatches } from './origin-pools.ts'
import type { Proxy } from './proxy.ts'

export interface AgentsOptions {
  readonly providers: readonly { readonly id: string; readonly baseUrl: string; readonly manifest: Pick<Manifest, 'hosts'> }[]
  readonly allow: AllowList
  /** Until a connection stands, TLS included. */
  readonly connectTimeoutMs?: number
  readonly lookup?: LookupFunction
  /** PEM of further certificate authorities. */
  readonly ca?: string
  /** Absent: everything is reached directly. */
  readonly proxy?: Proxy
}

/** Kept-alive connections, HTTP/1.1. All of them are guarded; a provider's may also reach its own base URL wherever that is. */
export interface Agents {
  provider(id: string): Dispatches | undefined
  /** Reaches what `provider` does, on connections of its own: for what callers read of it, who may read slowly. */
  readersOf(id: string): Dispatches | undefined
  readonly untrusted: Dispatches
  /** Refuses new calls, lets those in flight finish, then closes every connection. */
  close(): Promise<void>
}

/** A bound against running away. How many tasks a provider gets at once is decided long before. */
const MAX_CONNECTIONS_PER_PROVIDER_HOST = 1_024
const MAX_CONNECTIONS_PER_UNTRUSTED_HOST = 32

/** Below the shortest usual idle limit of a server (5 s), so that a call seldom meets a connection the other side is closing. */
const KEEP_ALIVE_MS = 4_000
/** However long the server promises. */
const KEEP_ALIVE_MAX_MS = 55_000

/** undici's own timeouts are off: each call has timers that know of our own pauses. */
const SETTINGS = {
  allowH2: false,
  pipelining: 1,
  headersTimeout: 0,
  bodyTimeout: 0,
  keepAliveTimeout: KEEP_ALIVE_MS,
  keepAliveMaxTimeout: KEEP_ALIVE_MAX_MS,
} as const

export function createAgents({ providers, ...guard }: AgentsOptions): Agents {
  const agentOf = ({ baseUrl, manifest }: AgentsOptions['providers'][number]): OriginPools =>
    new OriginPools({
      ...SETTINGS,
      connections: MAX_CONNECTIONS_PER_PROVIDER_HOST,
      connect: guardedConnector({
        ...guard,
        trusted: hostPort(new URL(baseUrl)),
        isVendorHost: (host) => manifest.hosts.some((pattern) => matchesHost(pattern, host)),
      }),
    })
  const agentsOf = () => new Map(providers.map((provider) => [provider.id, agentOf(provider)]))
  const [agents, readers] = [agentsOf(), agentsOf()]
  const untrusted = new OriginPools({ ...SETTINGS, connections: MAX_CONNECTIONS_PER_UNTRUSTED_HOST, connect: guardedConnector(guard) })
  return {
    provider: (id) => agents.get(id),
    readersOf: (id) => readers.get(id),
    untrusted,
    async close() {
      await Promise.all([untrusted.close(), ...[...agents.values(), ...readers.values()].map((agent) => agent.close())])
    },
  }
}
