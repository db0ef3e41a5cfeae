import dns from 'node:dns'
import type net from 'node:net'
import { Timeout } from './timeout.ts'

type Addresses = readonly dns.LookupAddress[]

/** Asks for every address of a name. Rejects where there is none. */
type Ask = (host: string) => Promise<Addresses>

export interface StrangersLookupOptions {
  /** As programs of this machine resolve: the file of hosts, search domains and whatever else it knows. */
  readonly askSystem?: Ask
  /** The name servers of this machine and nothing else. */
  readonly askServers?: Ask
  readonly longestMs?: number
}

const LONGEST_MS = 5_000

/**
 * Resolves names that callers and vendors' links brought. Node asks the system in a thread, has two to four of them for all names, and cannot give a
 * question up: two names whose servers never answer would hold up every other name, those of vendors too, for ten seconds and more. So
 * strangers' names have one of the two, in turn, and are asked of the name servers beside it, which needs no thread; the first that has an
 * answer is believed. What is asked for too long leaves the line.
 */
export function createStrangersLookup(options: StrangersLookupOptions = {}): net.LookupFunction {
  const { askSystem = ofSystem, askServers = createServers(), longestMs = LONGEST_MS } = options
  const takeTurn = createLine()
  return (host, { all, family }, callback) => {
    const hand = handing(host, { all, family }, callback)
    const line = takeTurn(() => askSystem(host))
    const timeout = new Timeout(longestMs, () => end(new Error(`${host} was not resolved within ${longestMs} ms`)))
    let isOver = false
    const end = (error: Error | null, addresses: Addresses = []): void => {
      if (isOver) return
      isOver = true
      timeout.stop()
      line.leave()
      hand(error, addresses)
    }
    Promise.any([line.answer, askServers(host)]).then(
      (addresses) => end(null, addresses),
      (error: unknown) => end(reasonOfAll(error)),
    )
  }
}

type Options = Parameters<net.LookupFunction>[1]

/** Gives what was found as whoever asked wants it. */
const handing =
  (host: string, { all, family }: Pick<Options, 'all' | 'family'>, callback: Parameters<net.LookupFunction>[2]) =>
  (error: Error | null, addresses: Addresses = []): void => {
    const wanted = family === 4 || family === 6 ? addresses.filter((address) => address.family === family) : [...addresses]
    const [first] = wanted
    if (error !== null || first === undefined) callback(error ?? new Error(`${host} has no address`), '', 0)
    else if (all === true) callback(null, wanted)
    else callback(null, first.address, first.family)
  }

/** That of the system, which says it in the usual words. */
function reasonOfAll(error: unknown): Error {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error
  return first instanceof Error ? first : new Error(String(first))
}

interface Turn {
  readonly answer: Promise<Addresses>
  /** Whoever leaves before its turn is never asked. */
  leave(): void
}

/** A line of questions, of which one is asked at a time. */
function createLine(): (ask: () => Promise<Addresses>) => Turn {
  const waiting = new Set<() => Promise<void>>()
  let isBusy = false
  const next = (): void => {
    const [first] = waiting
    if (isBusy || first === undefined) return
    isBusy = true
    waiting.delete(first)
    void first().finally(() => {
      isBusy = false
      next()
    })
  }
  return (ask) => {
    const { promise, resolve, reject } = Promise.withResolvers<Addresses>()
    const turn = (): Promise<void> => ask().then(resolve, reject)
    waiting.add(turn)
    next()
    return { answer: promise, leave: () => void waiting.delete(turn) }
  }
}

const ofSystem: Ask = (host) =>
  new Promise((resolve, reject) => {
    dns.lookup(host, { all: true }, (error, addresses) => (error === null ? resolve(addresses) : reject(error)))
  })

const SERVERS = { timeout: 2_000, tries: 2 } as const
/** A machine may change its name servers; they are read when a resolver is made. */
const READ_AGAIN_MS = 60_000

function createServers(): Ask {
  let made: { readonly resolver: dns.promises.Resolver; readonly at: number } | null = null
  return async (host) => {
    const now = performance.now()
    if (made === null || now - made.at > READ_AGAIN_MS) made = { resolver: new dns.promises.Resolver(SERVERS), at: now }
    const { resolver } = made
    const [four, six] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
    const addresses = [...addressesIn(four, 4), ...addressesIn(six, 6)]
    if (addresses.length === 0) throw new Error(`no name server has an address of ${host}`)
    return addresses
  }
}

const addressesIn = (settled: PromiseSettledResult<readonly string[]>, family: 4 | 6): Addresses =>
  settled.status === 'fulfilled' ? settled.value.map((address) => ({ address, family })) : []

/**
 * Resolves the names of one provider, as programs of this machine do. They have one of Node's few threads, in turn, and one question is asked for
 * all who wait for a name: a vendor whose name servers fall silent holds up its own calls, and those of no other vendor.
 */
export function createOwnLookup(askSystem: Ask = ofSystem): net.LookupFunction {
  const takeTurn = createLine()
  const asked = new Map<string, Promise<Addresses>>()
  const ask = (host: string): Promise<Addresses> => {
    const answer = takeTurn(() => askSystem(host)).answer.finally(() => asked.delete(host))
    asked.set(host, answer)
    return answer
  }
  return (host, { all, family }, callback) => {
    const hand = handing(host, { all, family }, callback)
    ;(asked.get(host) ?? ask(host)).then(
      (addresses) => hand(null, addresses),
      (error: unknown) => hand(reasonOfAll(error)),
    )
  }
}

/** One for the process: its threads are. */
const ofThisProcess = createStrangersLookup()

/** How names are resolved: those that the operator or a manifest vouches for, which have a thread of their own, and all others. */
export const lookupsOf = (
  lookup: net.LookupFunction | undefined,
): { readonly known: net.LookupFunction; readonly strangers: net.LookupFunction } =>
  lookup === undefined ? { known: createOwnLookup(), strangers: ofThisProcess } : { known: lookup, strangers: lookup }
