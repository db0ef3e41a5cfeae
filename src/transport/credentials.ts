import { hasCredentials, matchesHost, parseUrl, withoutTrailing } from '#contract'
import type { Manifest } from '#contract'
import type { Secret } from './secret.ts'
import { buildAll, SettingsRefused } from './settings-problem.ts'

/** What is needed to call one provider. `baseUrl` may be any http(s) host the operator chose, loopback included. */
export interface CredentialEntry {
  readonly provider: string
  readonly manifest: Pick<Manifest, 'hosts' | 'auth'>
  readonly baseUrl: string
  readonly apiKey: Secret
}

/** Where a call goes and the header that carries the key there; or why no key may go there. */
export type Resolved = { readonly url: URL; readonly header: [string, string] } | { readonly refused: string }

export interface Credentials {
  /**
   * @param callUrl a path below the provider's base URL (`/v1/x`), or an absolute URL the vendor gave
   */
  resolve(provider: string, callUrl: string): Resolved
}

/**
 * Alone decides which host gets which key: the configured base URL's own scheme, host and port, and the hosts of
 * the provider's manifest over https on the default port. Everything else is refused.
 * @throws SettingsRefused with each base URL that is not a plain http(s) URL
 */
export function createCredentials(entries: readonly CredentialEntry[]): Credentials {
  const accounts = new Map(buildAll(entries.map((entry) => () => [entry.provider, account(entry)] as const)))
  return {
    resolve(provider, callUrl) {
      const found = accounts.get(provider)
      return found === undefined ? { refused: `provider ${provider} is not configured` } : found(callUrl)
    },
  }
}

function account({ provider, manifest, baseUrl, apiKey }: CredentialEntry): (callUrl: string) => Resolved {
  const base = parseBaseUrl(provider, baseUrl)
  const basePath = withoutTrailing(base.pathname, '/')
  const { header, scheme } = manifest.auth
  const authorize = (url: URL): Resolved => ({
    url,
    header: [header, scheme === undefined ? apiKey.reveal() : `${scheme} ${apiKey.reveal()}`],
  })

  const below = (path: string): Resolved => {
    const url = URL.parse(base.origin + basePath + path)
    if (url === null || url.origin !== base.origin || !isBelow(url.pathname, basePath))
      return { refused: `the call’s path leaves the base URL of ${provider}` }
    return authorize(url)
  }

  // Most submits of a provider go to the same path.
  let last = { path: '/', resolved: below('/') }

  return (callUrl) => {
    if (callUrl.startsWith('/') && !callUrl.startsWith('//')) {
      if (callUrl !== last.path) last = { path: callUrl, resolved: below(callUrl) }
      return last.resolved
    }
    const url = parseUrl(callUrl)
    if (url === null) return { refused: 'the call’s URL is neither a path that starts with "/" nor an absolute URL' }
    if (!isPlainlySpelled(callUrl, url)) return { refused: 'the call’s URL spells its host in an unusual way' }
    if (url.origin === base.origin) return authorize(url)
    if (url.protocol === 'https:' && url.port === '' && manifest.hosts.some((pattern) => matchesHost(pattern, url.hostname)))
      return authorize(url)
    return { refused: `${url.protocol}//${url.host} is not a host of ${provider}` }
  }
}

/** @throws SettingsRefused that names the provider and what is wrong, without the URL's own text, which may hold a password */
function parseBaseUrl(provider: string, baseUrl: string): URL {
  const path = `providers.${provider}.base_url`
  const url = URL.parse(baseUrl)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new SettingsRefused([{ path, message: 'give a full http or https URL, for example https://api.example.com' }])
  if (hasCredentials(url) || url.search + url.hash !== '')
    throw new SettingsRefused([{ path, message: 'give scheme, host, port and path only' }])
  return url
}

const isBelow = (path: string, basePath: string): boolean => basePath === '' || path === basePath || path.startsWith(`${basePath}/`)

/**
 * Whether the text names its host exactly as it is parsed: lower case, ASCII, no user info, no default port, no backslashes or
 * control characters. What two parsers could read differently gets no key.
 */
function isPlainlySpelled(text: string, url: URL): boolean {
  const authority = `${url.protocol}//${url.host}`
  return url.host !== '' && !url.hostname.endsWith('.') && text.startsWith(authority) && /^([/?#]|$)/.test(text.slice(authority.length))
}
