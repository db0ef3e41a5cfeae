import net from 'node:net'
import { type AllowList, hostPort, isInNetworks, isPublicAddress, parseUntrustedUrl } from './guard.ts'
import { lookupsOf } from './name-lookup.ts'
import { Timeout } from './timeout.ts'

/** Why nothing may be sent to a URL, with the remedy; null where it may, as far as can be seen now. Never rejects. */
export type DestinationCheck = (url: string) => Promise<string | null>

export interface DestinationCheckOptions {
  readonly allow: AllowList
  readonly lookup?: net.LookupFunction
  /** A name that is not resolved by then is judged when it is connected to. */
  readonly lookupTimeoutMs?: number
}

/** Names that stand for the machine that resolves them, with the dot at their end or without it, whether or not they resolve here. */
const OWN_NAMES = /^(?:.+\.)?(?:localhost|localhost\.localdomain|localhost6|localhost6\.localdomain6|ip6-localhost|ip6-loopback)\.*$/

const REMEDY = 'the operator can allow it under network.allow'

/**
 * Judges where a caller wants its webhooks, before anything depends on it: https to public addresses; http, or a private address,
 * only where `network.allow` covers it. The connector judges again, by the address it really connects to.
 */
export function createDestinationCheck({ allow, lookup, lookupTimeoutMs = 1_500 }: DestinationCheckOptions): DestinationCheck {
  const { strangers } = lookupsOf(lookup)
  return async (text) => {
    const url = parseUntrustedUrl(text)
    if (!(url instanceof URL)) return `${url.refused}; give an https URL`
    if (allow.origins.has(hostPort(url))) return null
    const isSecure = url.protocol === 'https:'
    // Without networks that are allowed, no answer could make http acceptable.
    if (!isSecure && allow.networks.length === 0) return `http is not encrypted; give an https URL, or ${REMEDY}`
    const host = url.hostname.replace(/^\[|\]$/g, '')
    const addresses = net.isIP(host) === 0 ? await resolve(host, strangers, lookupTimeoutMs) : [host]
    const isAllowed = addresses.length > 0 && addresses.every((address) => isInNetworks(address, allow.networks))
    if (isAllowed) return null
    if (!isSecure) return `http is not encrypted; give an https URL, or ${REMEDY}`
    const isReachable =
      !OWN_NAMES.test(host) && addresses.every((address) => isPublicAddress(address) || isInNetworks(address, allow.networks))
    return isReachable ? null : `${host} is not at a public address; give one that is, or ${REMEDY}`
  }
}

/** Every address of a name; none where it is not known in time. */
function resolve(host: string, lookup: net.LookupFunction, timeoutMs: number): Promise<readonly string[]> {
  return new Promise((settle) => {
    const timeout = new Timeout(timeoutMs, () => settle([]))
    lookup(host, { all: true }, (error, answers) => {
      timeout.stop()
      if (error !== null) return settle([])
      settle(typeof answers === 'string' ? [answers] : answers.map(({ address }) => address))
    })
  })
}
