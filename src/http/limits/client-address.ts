import { BlockList, isIP } from 'node:net'
import type { IncomingHttpHeaders } from 'node:http'
import ipaddr from 'ipaddr.js'

/** Proxies whose word on the client's address counts: addresses and networks, or how many in a row. */
export type TrustedProxies = readonly string[] | number

/** What is asked of a request. */
interface Asked {
  readonly socket: { readonly remoteAddress?: string | undefined }
  readonly headers: IncomingHttpHeaders
}

export interface ClientAddress {
  /** The address whose request it is: the nearest that is no trusted proxy. */
  of(request: Asked): string
  /** Whether a peer speaks for others. */
  isProxy(address: string | undefined): boolean
}

export function createClientAddress(trusted: () => TrustedProxies): ClientAddress {
  let readFrom: TrustedProxies | null = null
  let networks = new BlockList()

  const isTrusted = (address: string, hop: number): boolean => {
    const now = trusted()
    if (typeof now === 'number') return hop < now
    if (now.length === 0) return false
    if (now !== readFrom) {
      networks = blockListOf(now)
      readFrom = now
    }
    return isIP(address) !== 0 && networks.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
  }

  return {
    of({ socket, headers }) {
      let address = plainAddress(socket.remoteAddress ?? '')
      if (!isTrusted(address, 0)) return address
      const before = forwardedFor(headers).toReversed()
      for (const [index, named] of before.entries()) {
        // What a proxy could not name, it speaks for itself.
        if (isIP(named) === 0) break
        address = named
        if (!isTrusted(address, index + 1)) break
      }
      return address
    },
    isProxy: (address = '') => isTrusted(plainAddress(address), 0),
  }
}

function blockListOf(networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', bits] = network.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return list
}

/** The farthest first. */
function forwardedFor(headers: IncomingHttpHeaders): readonly string[] {
  const plain = headers['x-forwarded-for']
  if (plain !== undefined) return String(plain).split(',').map(plainAddress)
  return [...(headers.forwarded ?? '').matchAll(/(?:^|[;,\s])for="?([^";,\s]+)"?/gi)].map(([, address = '']) => plainAddress(address))
}

/** Without port, brackets and zone; an IPv4 address in IPv6 as IPv4. */
function plainAddress(text: string): string {
  if (isIP(text) === 4) return text
  const trimmed = text.trim()
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(trimmed)?.[1] ?? /^([\d.]+):\d+$/.exec(trimmed)?.[1] ?? trimmed
  const address = bare.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/i, '')
  // Written in another way, `::ffff:cb00:7101`, it would be one network with all others.
  return /ffff:/i.test(address) && isIP(address) === 6 ? ipaddr.process(address).toString() : address
}

/** The name an address is counted under: an IPv6 network of 64 bits is one client. */
export const countedAs = (address: string): string =>
  isIP(address) === 6 ? `${ipaddr.IPv6.networkAddressFromCIDR(`${address}/64`).toString()}/64` : address
