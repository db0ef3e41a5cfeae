import net from 'node:net'
import type { Duplex } from 'node:stream'
import { buildConnector } from 'undici'
import { BelowTls, TLS_SETTINGS } from './below-tls.ts'
import { type AllowList, BlockedAddressError, hostPort, isInNetworks, isPublicAddress } from './guard.ts'
import { lookupsOf } from './name-lookup.ts'
import { type Proxy, ProxyError } from './proxy.ts'
import { readInTurns } from './read-in-turns.ts'
import { Timeout } from './timeout.ts'

export interface ConnectorOptions {
  readonly allow: AllowList
  /** `host:port` of a provider's configured base URL, which the operator vouches for. */
  readonly trusted?: string
  /** Hosts a provider's manifest vouches for, which a proxy is asked for by name, and whose names wait for nobody's. Without a proxy they are judged like any other. */
  readonly isVendorHost?: (host: string) => boolean
  /** Until a connection stands, a proxy's tunnel and TLS included. */
  readonly connectTimeoutMs?: number
  readonly lookup?: net.LookupFunction
  /** PEM of further certificate authorities. */
  readonly ca?: string
  /** Absent: everything is reached directly. */
  readonly proxy?: Proxy
}

type Target = buildConnector.Options
type Callback = buildConnector.Callback
/** Begins to connect; the returned function gives it up. */
type Open = (target: Target, callback: Callback) => () => void

/**
 * A connector that reaches public addresses only, and what is allowed besides, directly or through a proxy. The address that is checked is
 * the address that is connected to, so a name cannot change its mind in between; one private address among a name's answers fails the name.
 * Fails with `BlockedAddressError`. HTTP/1.1 only.
 */
export function guardedConnector({ connectTimeoutMs = 5_000, proxy, ...options }: ConnectorOptions): buildConnector.connector {
  const direct = directly(options)
  const tunnelled = proxy === undefined ? direct : throughProxy(proxy, options)
  const open: Open = (target, callback) => (proxy?.covers(target) === true ? tunnelled : direct)(target, callback)
  return withinTime(open, connectTimeoutMs)
}

type GuardOptions = Omit<ConnectorOptions, 'connectTimeoutMs' | 'proxy'>

/** The time is kept by `Timeout`, as everywhere else, and not by undici. */
const SETTINGS = { allowH2: false, timeout: 0, ...TLS_SETTINGS } as const

const reachableWith =
  (allow: AllowList) =>
  (address: string): boolean =>
    isPublicAddress(address) || isInNetworks(address, allow.networks)

const hostOf = (target: Target): string => target.hostname.replace(/^\[|\]$/g, '')

function directly({ allow, trusted, isVendorHost, lookup, ca }: GuardOptions): Open {
  const settings = { ...SETTINGS, ...(ca === undefined ? {} : { ca }) }
  const isReachable = reachableWith(allow)
  const { known, strangers } = lookupsOf(lookup)
  const open = opening(buildConnector({ ...settings, lookup: known }))
  const openKnown = judging(opening(buildConnector({ ...settings, lookup: checkedLookup(known, isReachable) })), isReachable)
  const openStranger = inTwoSteps(settings, checkedLookup(strangers, isReachable), isReachable)
  return (target, callback) => {
    const origin = hostPort(target)
    if (origin === trusted || allow.origins.has(origin)) return open(target, callback)
    const host = hostOf(target)
    // A literal address is never resolved.
    if (net.isIP(host) !== 0 && !isReachable(host)) {
      callback(new BlockedAddressError(host), null)
      return () => {}
    }
    return (isVendorHost?.(host) === true ? openKnown : openStranger)(target, callback)
  }
}

/**
 * A host nobody vouches for is resolved and judged here, and the proxy is asked for the address that was judged, not for the name, which
 * it might resolve to another one.
 */
function throughProxy(proxy: Proxy, { allow, trusted, isVendorHost, lookup, ca }: GuardOptions): Open {
  const settings = { ...SETTINGS, ...(ca === undefined ? {} : { ca }) }
  const secureNamed = opening(buildConnector(settings))
  const secure = securing(settings)
  const judged = checkedLookup(lookupsOf(lookup).strangers, reachableWith(allow))
  return (target, callback) => {
    const origin = hostPort(target)
    let giveUp = () => {}
    let isGivenUp = false
    const isNamed = origin === trusted || allow.origins.has(origin) || (origin.endsWith(':443') && isVendorHost?.(target.hostname) === true)
    const ask = (host: string): void => {
      if (isGivenUp) return
      const authority = hostPort({ ...target, hostname: host, port: target.port })
      giveUp = proxy.openTunnel(authority, (error, socket) => {
        if (socket === null) return callback(error ?? new ProxyError('the proxy opened no connection'), null)
        if (target.protocol !== 'https:') return callback(null, socket)
        giveUp = isNamed ? secureNamed({ ...target, httpSocket: socket }, callback) : secure(socket, target, callback)
      })
    }
    if (isNamed) ask(hostOf(target))
    else judgedAddress(hostOf(target), judged, allow, (error, address) => (error === null ? ask(address) : callback(error, null)))
    return () => {
      isGivenUp = true
      giveUp()
    }
  }
}

function judgedAddress(
  host: string,
  judged: net.LookupFunction,
  allow: AllowList,
  callback: (error: Error | null, address: string) => void,
): void {
  if (net.isIP(host) !== 0) return callback(reachableWith(allow)(host) ? null : new BlockedAddressError(host), host)
  judged(host, { all: true }, (error, answers) => {
    if (error instanceof BlockedAddressError) return callback(error, '')
    const addresses = error !== null || typeof answers === 'string' ? [] : answers
    const [first] = addresses.toSorted((left, right) => left.family - right.family)
    const remedy = `the operator can allow ${host} with its port under network.allow`
    if (first === undefined) return callback(new ProxyError(`${host} cannot be resolved here, so it cannot be judged; ${remedy}`), '')
    return callback(null, first.address)
  })
}

/** undici's connector returns the socket, although its type does not say so. */
function opening(connect: buildConnector.connector): Open {
  return (target, callback) => {
    const socket: unknown = connect(target, callback)
    return () => {
      if (socket instanceof net.Socket) socket.destroy()
    }
  }
}

/** Judges the address that was connected to. */
const judging =
  (open: Open, isReachable: (address: string) => boolean): Open =>
  (target, callback) =>
    open(target, (error, socket) => {
      if (error !== null) return callback(error, null)
      const { remoteAddress } = socket
      if (remoteAddress === undefined || isReachable(remoteAddress)) return callback(null, socket)
      socket.destroy()
      return callback(new BlockedAddressError(hostOf(target)), null)
    })

/** A connection first, and then TLS on it, where that is asked for. */
function inTwoSteps(settings: buildConnector.BuildOptions, lookup: net.LookupFunction, isReachable: (address: string) => boolean): Open {
  const connect = judging(opening(buildConnector({ ...settings, lookup })), isReachable)
  const secure = securing(settings)
  return (target, callback) => {
    if (target.protocol !== 'https:') return connect(target, callback)
    let giveUp = () => {}
    const leave = connect({ ...target, protocol: 'http:', port: target.port === '' ? '443' : target.port }, (error, socket) => {
      if (error === null) giveUp = secure(socket, target, callback)
      else callback(error, null)
    })
    return () => {
      leave()
      giveUp()
    }
  }
}

/** TLS on a connection that stands, with a server that nobody vouches for; the returned function gives it up. */
function securing(settings: buildConnector.BuildOptions): (socket: net.Socket, target: Target, callback: Callback) => () => void {
  const secure = opening(buildConnector(settings))
  return (socket, target, callback) => {
    const below = new BelowTls(socket, hostPort(target))
    return secure({ ...target, httpSocket: below as Duplex as net.Socket }, (...[error, secured]) => {
      below.agreed()
      if (error === null) callback(null, secured)
      else callback(error, null)
    })
  }
}

function withinTime(open: Open, timeoutMs: number): buildConnector.connector {
  return (target, callback) => {
    let isOver = false
    let giveUp = () => {}
    const end: Callback = (...[error, socket]) => {
      if (isOver) return void socket?.destroy()
      isOver = true
      timeout.stop()
      if (error !== null) return callback(error, null)
      readInTurns(socket, hostPort(target))
      return callback(null, socket)
    }
    const timeout = new Timeout(timeoutMs, () => {
      end(new Error(`no connection to ${hostPort(target)} within ${timeoutMs} ms`), null)
      giveUp()
    })
    giveUp = open(target, end)
  }
}

function checkedLookup(lookup: net.LookupFunction, isReachable: (address: string) => boolean): net.LookupFunction {
  return (host, options, callback) =>
    lookup(host, { ...options, all: true }, (error, answers) => {
      if (error !== null) return callback(error, '', 0)
      const addresses = typeof answers === 'string' ? [{ address: answers, family: net.isIP(answers) }] : answers
      const [first] = addresses
      if (first === undefined || !addresses.every(({ address }) => isReachable(address)))
        return callback(new BlockedAddressError(host), '', 0)
      return options.all === true ? callback(null, addresses) : callback(null, first.address, first.family)
    })
}
