import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { type AllowList, hostPort, isInNetworks, isLoopbackHost, parseNetwork } from './guard.ts'
import { reasonOf } from './reason.ts'
import type { Secret } from './secret.ts'
import { SettingsRefused } from './settings-problem.ts'

export interface ProxySettings {
  /** `http://` or `https://`, host and port, with user name and password where it asks for them. */
  readonly url: Secret
  /** What is reached directly: names with all below them, addresses, networks, each with a port or without; `*` is everything. */
  readonly noProxy: readonly string[]
}

interface Target {
  readonly hostname: string
  readonly port: string
  readonly protocol: string
}

export interface Proxy {
  covers(target: Target): boolean
  /** Asks for a tunnel to `host:port`. The returned function gives it up. The proxy's own address is never judged: the operator gave it. */
  openTunnel(authority: string, callback: (error: Error | null, socket: net.Socket | null) => void): () => void
}

/** No connection through the proxy; nothing was sent to the target. Its message holds neither user name nor password. */
export class ProxyError extends Error {}

/**
 * The proxy of the configuration. It is asked to CONNECT for http and https alike, so it sees hosts and ports only. A loopback address is
 * this machine, and is asked of a proxy only where that is on this machine too.
 * @param ca PEM of further certificate authorities, for a proxy that is reached by https
 * @throws SettingsRefused
 */
export function createProxy({ url: secret, noProxy }: ProxySettings, ca?: string): Proxy {
  const url = URL.parse(secret.reveal())
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.hostname === '')
    throw new SettingsRefused([{ path: 'network.proxy', message: 'give http://host:port or https://host:port' }])
  const matchers = noProxy.map(matcherOf)
  const isLocal = isLoopbackHost(url.hostname)
  const hostname = bareHost(url.hostname)
  const options = {
    hostname,
    // Else Node judges its certificate by the `Host` of the request, which is what the tunnel leads to.
    servername: net.isIP(hostname) === 0 ? hostname : '',
    port: url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : url.port,
    method: 'CONNECT',
    agent: false,
    ...(ca === undefined ? {} : { ca }),
  }
  const authorization = authorizationOf(url)
  const request = url.protocol === 'https:' ? https.request : http.request
  return {
    covers: (target) => (isLocal || !isLoopbackHost(target.hostname)) && !matchers.some((matches) => matches(target)),
    openTunnel(authority, callback) {
      const asking = request({ ...options, path: authority, headers: { host: authority, ...authorization } })
      asking.once('connect', ({ statusCode = 0 }, socket: net.Socket, head) => {
        if (statusCode < 200 || statusCode > 299) {
          socket.destroy()
          return callback(new ProxyError(refusal(authority, statusCode)), null)
        }
        // Neither TLS nor HTTP begins with the server: undici would close such a connection and open the next one, thousands of times.
        if (head.length > 0) {
          socket.destroy()
          return callback(new ProxyError(`something came through the proxy from ${authority} before it was asked`), null)
        }
        return callback(null, socket)
      })
      asking.once('error', (error) => callback(new ProxyError(`the proxy cannot be used: ${reasonOf(error)}`), null))
      asking.end()
      return () => void asking.destroy()
    },
  }
}

function refusal(authority: string, status: number): string {
  const remedy = status === 407 ? '; check the user name and password in network.proxy' : ''
  return `the proxy answered ${status} when it was asked for ${authority}${remedy}`
}

function authorizationOf({ username, password }: URL): { readonly 'proxy-authorization'?: string } {
  if (username === '' && password === '') return {}
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` }
}

const bareHost = (hostname: string): string => hostname.replace(/^\[|\]$/g, '')

/** One entry of NO_PROXY, as curl and Go read it. */
function matcherOf(entry: string): (target: Target) => boolean {
  const text = entry.trim().toLowerCase()
  if (text === '*') return () => true
  const network = parseNetwork(text)
  if (network !== null) {
    const networks: AllowList['networks'] = [network]
    return ({ hostname }) => isInNetworks(bareHost(hostname), networks)
  }
  const [, named = text, port] = /^(.*?)(?::(\d{1,5}))?$/.exec(text) ?? []
  const name = bareHost(named).replace(/^\*?\.|\.$/g, '')
  return (target) => {
    if (port !== undefined && hostPort(target).replace(/^.*:/, '') !== port) return false
    const host = bareHost(target.hostname).replace(/\.$/, '')
    return host === name || (net.isIP(host) === 0 && name !== '' && host.endsWith(`.${name}`))
  }
}
