import net from 'node:net'
import ipaddr from 'ipaddr.js'
import { hasCredentials, parseUrl } from '#contract'
import { buildAll, SettingsRefused } from './settings-problem.ts'

type Address = ReturnType<typeof ipaddr.process>

/** Private addresses that may be reached all the same: networks, and origins as `host:port`. */
export interface AllowList {
  readonly networks: readonly (readonly [Address, number])[]
  readonly origins: ReadonlySet<string>
}

export class BlockedAddressError extends Error {
  readonly code = 'EBLOCKED'
  /** An address stays what it is. A name may lead elsewhere in a minute: its servers are wrong for a moment, or others answer instead of them. */
  readonly mayPass: boolean
  /** Names the host as it was asked for, never what it resolves to: inner addresses are not for the asker. */
  constructor(host: string) {
    super(`${host} is not at a public address`)
    this.mayPass = net.isIP(host) === 0 && !isLoopbackHost(host)
  }
}

/** The part of IPv6 that is given to the public internet (RFC 4291, IANA); the rest is special or unassigned. */
const GLOBAL_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3')

/**
 * Public by its number, and in each virtual machine of Azure the host itself, which gives certificates and settings to who asks (2026-11-28).
 * The metadata of other clouds is at addresses that are special anyway: 169.254.0.0/16, 100.64.0.0/10, 192.0.0.0/24, fc00::/7.
 * https://learn.microsoft.com/en-us/azure/virtual-network/what-is-ip-address-168-63-129-16
 */
const AZURE_HOST = '168.63.129.16'

/** Whether an address is on the public internet. IPv4 inside IPv6 counts as the IPv4 address it is. */
export function isPublicAddress(address: string): boolean {
  if (net.isIP(address) === 0) return false
  const parsed = ipaddr.process(address)
  if (parsed.range() !== 'unicast' || parsed.toString() === AZURE_HOST) return false
  return parsed instanceof ipaddr.IPv6 ? parsed.match(GLOBAL_IPV6) : true
}

/**
 * Reads the configuration's `network.allow`: networks (`10.1.0.0/16`, `fd00::/8`), single addresses (`10.1.2.3`), and
 * `host:port` (`minio.internal:9000`, `[::1]:9000`), which match a URL's host as written.
 * @throws SettingsRefused with each entry that is none of these
 */
export function parseAllow(list: readonly string[]): AllowList {
  const parsed = buildAll(list.map((entry, index) => () => parseEntry(entry, index)))
  return {
    networks: parsed.filter((one) => typeof one !== 'string'),
    origins: new Set(parsed.filter((one) => typeof one === 'string')),
  }
}

/** Whether `parseAllow` can read an entry. */
export const isAllowEntry = (entry: string): boolean => (parseNetwork(entry) ?? parseOrigin(entry)) !== null

function parseEntry(entry: string, index: number): readonly [Address, number] | string {
  const parsed = parseNetwork(entry) ?? parseOrigin(entry)
  if (parsed !== null) return parsed
  const remedy = 'give a network such as 10.1.0.0/16, an address such as 10.1.2.3, or host:port such as minio.internal:9000'
  throw new SettingsRefused([{ path: `network.allow[${index}]`, message: `${JSON.stringify(entry)} cannot be read; ${remedy}` }])
}

/** A network or a single address in CIDR notation; null where it is neither. */
export function parseNetwork(entry: string): readonly [Address, number] | null {
  const [address = '', prefix, ...rest] = entry.split('/')
  const version = net.isIP(address)
  if (version === 0 || address.includes('%') || rest.length > 0) return null
  const width = version === 4 ? 32 : 128
  if (prefix === undefined) return wholeAddress(ipaddr.process(address))
  if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > width) return null
  const parsed = ipaddr.parse(address)
  // Written as IPv4 inside IPv6, no address would ever match it: those are compared as IPv4.
  if (parsed instanceof ipaddr.IPv6 && parsed.isIPv4MappedAddress()) return null
  return [parsed, Number(prefix)]
}

const wholeAddress = (address: Address): readonly [Address, number] => [address, address instanceof ipaddr.IPv6 ? 128 : 32]

function parseOrigin(entry: string): string | null {
  if (!/^(\[[0-9a-f:.]+\]|[a-z0-9._-]+):[1-9]\d{0,4}$/i.test(entry)) return null
  const url = URL.parse(`http://${entry}`)
  return url === null || url.hostname === '' ? null : hostPort(url)
}

/** A URL's host and port, the port always written: `api.example.com:443`. */
export function hostPort(url: { readonly hostname: string; readonly port: string; readonly protocol: string }): string {
  const host = net.isIPv6(url.hostname) ? `[${url.hostname}]` : url.hostname
  return `${host}:${url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : url.port}`
}

/** An untrusted URL that is worth connecting to, or why not. Where its host is, the connector judges. */
export function parseUntrustedUrl(text: string, base?: URL): URL | { readonly refused: string } {
  const url = parseUrl(text, base)
  if (url === null) return { refused: 'not a URL' }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return { refused: `${url.protocol} is not http or https` }
  if (hasCredentials(url)) return { refused: 'a URL with a user name or password is not fetched' }
  return url
}

/** Whether a URL's host is this machine by its spelling: `localhost`, a name below it, or a loopback address. */
export function isLoopbackHost(hostname: string): boolean {
  // Asked for each request of this machine.
  if (hostname === '127.0.0.1' || hostname === 'localhost') return true
  const host = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  if (net.isIP(host) === 0) return host === 'localhost' || host.endsWith('.localhost')
  return ipaddr.process(host).range() === 'loopback'
}

/** Whether an address lies in one of the networks. */
export function isInNetworks(address: string, networks: AllowList['networks']): boolean {
  if (net.isIP(address) === 0) return false
  const parsed = ipaddr.process(address)
  return networks.some(([network, prefix]) => {
    if (parsed instanceof ipaddr.IPv6) return network instanceof ipaddr.IPv6 && parsed.match(network, prefix)
    return network instanceof ipaddr.IPv4 && parsed.match(network, prefix)
  })
}
