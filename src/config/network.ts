import { isIP } from 'node:net'

/** Whether an address reaches only this machine. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase()
  return name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'))
}

/** Whether text is a network (`10.0.0.0/8`), an address (`10.1.2.3`) or one service (`host:9000`, `[::1]:9000`), as transport reads them. */
export function isNetworkEntry(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/')
  const version = isIP(address)
  if (version !== 0) {
    if (address.includes('%') || rest.length > 0) return false
    if (prefix === undefined) return true
    // IPv4 written inside IPv6 is compared as IPv4, so such a network matches nothing.
    if (version === 6 && address.includes('.')) return false
    return /^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128)
  }
  const service = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+):[1-9]\d{0,4}$/i.test(text)
  return service && URL.parse(`http://${text}`) !== null
}
