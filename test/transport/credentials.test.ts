import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createCredentials } from '../../src/transport/credentials.ts'
import { Secret } from '../../src/transport/secret.ts'
import { API_KEY, providerAt } from './loopback.ts'

const credentialsAt = (baseUrl: string, hosts = ['*.vendor.test', 'api.vendor.test']) => {
  const { id, ...entry } = providerAt(baseUrl, hosts)
  const credentials = createCredentials([{ provider: id, ...entry }])
  return (callUrl: string) => credentials.resolve(id, callUrl)
}

const urlOf = (resolved: ReturnType<ReturnType<typeof credentialsAt>>) => ('url' in resolved ? resolved.url.href : resolved)

describe('credentials', () => {
  it.each([
    'https://evilvendor.test/v1/x',
    'https://vendor.test/v1/x',
    'https://eu.vendor.test.evil.com/v1/x',
    'https://eu.vendor.test@evil.com/v1/x',
    'https://evil.com/eu.vendor.test',
    'https://evil.com#.vendor.test',
    'https://evil.com?.vendor.test',
    'https://user@eu.vendor.test/v1/x',
    'https://user:pass@api.vendor.test/v1/x',
    'https://eu.vendor.test./v1/x',
    'https://EU.vendor.test/v1/x',
    'HTTPS://eu.vendor.test/v1/x',
    'https://eu.vendor.test:443/v1/x',
    'https://eu.vendor.test:8443/v1/x',
    'http://eu.vendor.test/v1/x',
    'http://api.vendor.test/v1/x',
    'https://eu.vendör.test/v1/x',
    'https://eu.ｖendor.test/v1/x',
    'https://eu。vendor.test/v1/x',
    'https://e%75.vendor.test/v1/x',
    'https:/\\eu.vendor.test/v1/x',
    'https:eu.vendor.test/v1/x',
    'https://eu.ven\tdor.test/v1/x',
    ' https://eu.vendor.test/v1/x',
    'https://eu.vendor.test\\@evil.com/',
    '//evil.com/v1/x',
    '\\\\evil.com/v1/x',
    '@evil.com/v1/x',
    ':8443/v1/x',
    '.evil.com/v1/x',
    'v1/x',
    '',
    'https://',
    'file:///etc/passwd',
    'data:text/plain,x',
    'javascript:alert(1)',
    'wss://eu.vendor.test/v1',
  ])('gives no key for %j', (callUrl) => {
    const resolved = credentialsAt('https://api.vendor.test')(callUrl)
    expect(resolved).toEqual({ refused: expect.stringMatching(/./) })
    expect(JSON.stringify(resolved)).not.toContain(API_KEY)
  })

  it.each([
    ['/v1/x', 'https://api.vendor.test/v1/x'],
    ['/v1/x?id=1#fragment', 'https://api.vendor.test/v1/x?id=1#fragment'],
    ['/\\evil.com/x', 'https://api.vendor.test//evil.com/x'],
    ['/@evil.com', 'https://api.vendor.test/@evil.com'],
    ['https://api.vendor.test/v1/x', 'https://api.vendor.test/v1/x'],
    ['https://eu.vendor.test/v1/get_result?id=1', 'https://eu.vendor.test/v1/get_result?id=1'],
    ['https://a.b.vendor.test', 'https://a.b.vendor.test/'],
  ])('gives the key for %j', (callUrl, expected) => {
    const resolved = credentialsAt('https://api.vendor.test')(callUrl)
    expect(urlOf(resolved)).toBe(expected)
    expect(resolved).toHaveProperty('header', ['x-key', API_KEY])
  })

  it('joins a path below the path of the base URL', () => {
    const resolve = credentialsAt('http://127.0.0.1:9000/proxy/acme/')
    expect(urlOf(resolve('/v1/x'))).toBe('http://127.0.0.1:9000/proxy/acme/v1/x')
  })

  it.each(['/../other', '/..', '/%2e%2e/%2e%2e/other', '/v1/../../other', '/..\\other'])(
    'refuses the path %j that leaves the base URL',
    (path) => {
      expect(credentialsAt('http://127.0.0.1:9000/proxy/acme')(path)).toHaveProperty('refused')
    },
  )

  it('gives the key to a configured http host on its own port and scheme only', () => {
    const resolve = credentialsAt('http://127.0.0.1:9000')
    expect(urlOf(resolve('http://127.0.0.1:9000/v1/x'))).toBe('http://127.0.0.1:9000/v1/x')
    for (const other of [
      'https://127.0.0.1:9000/v1/x',
      'http://127.0.0.1:9001/v1/x',
      'http://127.0.0.1/v1/x',
      'http://localhost:9000/v1/x',
    ])
      expect(resolve(other)).toHaveProperty('refused')
  })

  it('writes the scheme before the key where the manifest names one', () => {
    const { id, apiKey } = providerAt('')
    const manifest = { hosts: ['api.vendor.test'], auth: { header: 'authorization', scheme: 'Bearer', env: 'ACME_API_KEY' } }
    const credentials = createCredentials([{ provider: id, manifest, baseUrl: 'https://api.vendor.test', apiKey }])
    expect(credentials.resolve(id, '/v1')).toHaveProperty('header', ['authorization', `Bearer ${API_KEY}`])
  })

  it('never gives one provider the key of another', () => {
    const acme = providerAt('https://api.vendor.test')
    const other = { ...providerAt('https://api.other.test', ['*.other.test']), apiKey: new Secret('other-key') }
    const credentials = createCredentials([
      { provider: 'acme', ...acme },
      { provider: 'other', ...other },
    ])
    expect(credentials.resolve('acme', 'https://api.other.test/v1')).toHaveProperty('refused')
    expect(credentials.resolve('other', '/v1')).toHaveProperty('header', ['x-key', 'other-key'])
    expect(credentials.resolve('nobody', '/v1')).toHaveProperty('refused')
  })

  it.each(['', 'api.vendor.test', 'ftp://api.vendor.test', 'https://user:pass@api.vendor.test', 'https://api.vendor.test?a=1'])(
    'refuses the base URL %j at start, naming the field',
    (baseUrl) => {
      expect(() => credentialsAt(baseUrl)).toThrow(/^providers\.acme\.base_url: /)
    },
  )
})

describe('Secret', () => {
  it('shows its value to nobody but reveal', () => {
    const secret = new Secret(API_KEY)
    const shown = [
      [secret].join(),
      JSON.stringify({ secret }),
      inspect({ secret }),
      inspect(secret, { showHidden: true }),
      JSON.stringify(Object.assign({}, secret)),
    ]
    expect(shown.join()).not.toContain(API_KEY)
    expect(String(secret)).toBe('[redacted]')
    expect(secret.reveal()).toBe(API_KEY)
  })
})
