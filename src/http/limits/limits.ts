import type { FastifyReply, FastifyRequest } from 'fastify'
import type { HttpProblem } from '../http-problem.ts'
import { countedAs, createClientAddress } from './client-address.ts'
import type { TrustedProxies } from './client-address.ts'
import { createOpenCount } from './open-count.ts'
import type { OpenCount } from './open-count.ts'
import { createRateLimit } from './rate.ts'
import { tooMuch } from './refusal.ts'
import type { Exceeded, LimitOf, ObserveLimited } from './refusal.ts'

/** Null: no limit. */
type Most = number | null

/** What callers may take at once, as the operator has it now. */
export interface LimitSettings {
  readonly perAddress: {
    readonly requestsPerMinute: Most
    readonly sockets: Most
    readonly bytes: Most
    /** Whether clients on this machine count too. */
    readonly countsLoopback: boolean
  }
  readonly perKey: { readonly streams: Most; readonly bytes: Most; readonly generations: Most }
  readonly all: { readonly sockets: Most; readonly streams: Most; readonly bytes: Most; readonly generations: Most }
}

export interface LimitDependencies {
  readonly limits: () => LimitSettings
  readonly trustedProxies: () => TrustedProxies
  /** Whether an address is this machine's own. */
  readonly isLoopback: (address: string) => boolean
  readonly observeLimited: ObserveLimited
}

/** Gives back what was taken. */
export type Release = () => void
export type Taken = { readonly kind: 'taken'; readonly release: Release } | { readonly kind: 'refused'; readonly exceeded: Exceeded }

export interface Limits {
  /** Counts one request of its client's address. Null where it is not counted; undefined where it is within the limit; else the answer. */
  overRequests(request: FastifyRequest, reply: FastifyReply): Promise<HttpProblem | undefined> | null
  /** One connection of a peer. */
  takeSocket(remoteAddress: string | undefined): Taken
  takeBytes(request: Sender, bytes: number): Taken
  /** An event stream or a WebSocket of a key; null without keys. */
  takeStream(key: string | null): Taken
  /** A task of an array, until it is answered: one that waits for a generation is as much to keep as the generation itself. */
  takeTask(key: string | null): Taken
}

/** Whose bytes are counted. */
export type Sender = Pick<FastifyRequest, 'raw'> & { readonly caller: Pick<FastifyRequest['caller'], 'key'> }

interface Wanted {
  readonly of: LimitOf
  readonly name: string
  readonly most: Most
}

const EVERYBODY = ''

/** Counts what callers take. Limits are read at each question, so that a reload acts at once. */
export function createLimits({ limits, trustedProxies, isLoopback, observeLimited }: LimitDependencies): Limits {
  const client = createClientAddress(trustedProxies)
  const requests = createRateLimit('address')
  const open = { sockets: createOpenCount(), bytes: createOpenCount(), streams: createOpenCount(), generations: createOpenCount() }

  /** The name that an address is counted under; null where it is not counted. A connection that is closed by now has none. */
  const named = (address: string): string | null =>
    (address === '' || isLoopback(address)) && !limits().perAddress.countsLoopback ? null : countedAs(address)
  const ofAddress = (address: string, most: Most): readonly Wanted[] => {
    const name = named(address)
    return name === null ? [] : [{ of: 'address', name: `address ${name}`, most }]
  }
  const ofKey = (key: string | null, most: Most): readonly Wanted[] => (key === null ? [] : [{ of: 'key', name: `key ${key}`, most }])

  const take = (limit: keyof typeof open, amount: number, wanted: readonly Wanted[]): Taken => {
    const taken = takeAll(open[limit], amount, wanted)
    if ('releases' in taken) return { kind: 'taken', release: () => taken.releases.forEach((release) => release()) }
    const exceeded = { limit, of: taken.of, most: taken.most ?? 0 }
    observeLimited(exceeded)
    return { kind: 'refused', exceeded }
  }

  const countRequest = async (name: string, perMinute: number, reply: FastifyReply): Promise<HttpProblem | undefined> => {
    const over = await requests.take(name, perMinute, reply)
    if (over !== undefined) observeLimited({ limit: 'requests', of: 'address' })
    return over
  }

  const takeOne = (limit: 'streams' | 'generations', key: string | null): Taken => {
    const { perKey, all } = limits()
    return take(limit, 1, [...ofKey(key, perKey[limit]), { of: 'all', name: EVERYBODY, most: all[limit] }])
  }

  return {
    overRequests(request, reply) {
      const { requestsPerMinute } = limits().perAddress
      const name = requestsPerMinute === null ? null : named(client.of(request.raw))
      return name === null || requestsPerMinute === null ? null : countRequest(name, requestsPerMinute, reply)
    },
    takeSocket(remoteAddress = '') {
      const { perAddress, all } = limits()
      // A proxy's connections are those of many.
      const own = client.isProxy(remoteAddress) ? [] : ofAddress(client.of({ socket: { remoteAddress }, headers: {} }), perAddress.sockets)
      return take('sockets', 1, [...own, { of: 'all', name: EVERYBODY, most: all.sockets }])
    },
    takeBytes(request, bytes) {
      const { perAddress, perKey, all } = limits()
      return take('bytes', bytes, [
        ...ofAddress(client.of(request.raw), perAddress.bytes),
        ...ofKey(request.caller.key, perKey.bytes),
        { of: 'all', name: EVERYBODY, most: all.bytes },
      ])
    },
    takeStream: (key) => takeOne('streams', key),
    takeTask: (key) => takeOne('generations', key),
  }
}

/** From all or from none. */
function takeAll(count: OpenCount, amount: number, wanted: readonly Wanted[]): { readonly releases: readonly Release[] } | Wanted {
  const releases: Release[] = []
  for (const one of wanted) {
    const release = count.take(one.name, amount, one.most)
    if (release === null) {
      releases.forEach((back) => back())
      return one
    }
    releases.push(release)
  }
  return { releases }
}

/** What is open until the answer is done. @throws HttpProblem */
export function holdStream(limits: Pick<Limits, 'takeStream'>, request: FastifyRequest, reply: FastifyReply): void {
  const taken = limits.takeStream(request.caller.key)
  if (taken.kind === 'refused') throw tooMuch(taken.exceeded, reply)
  reply.raw.once('close', taken.release)
}
