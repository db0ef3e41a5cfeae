import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { accepted, load } from './load-config.ts'
import type { Env } from './load-config.ts'

const proxyOf = async (yaml: string, env: Env) => {
  const { proxy } = (await accepted(yaml, env)).config.network
  return proxy && { ...proxy, url: proxy.url.reveal() }
}

describe('the way out', () => {
  test('is direct where neither the file nor the environment names a proxy', async () => {
    expect(await proxyOf('', {})).toBeNull()
    expect(await proxyOf('network: { proxy: "${HTTPS_PROXY}", no_proxy: "${NO_PROXY}" }', {})).toBeNull()
  })

  test.each(['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy'])('leads through the proxy that %s names', async (name) => {
    expect(await proxyOf('', { [name]: 'http://proxy.internal:3128', NO_PROXY: '.internal, 10.0.0.0/8' })).toEqual({
      url: 'http://proxy.internal:3128/',
      address: 'http://proxy.internal:3128',
      source: name,
      noProxy: ['.internal', '10.0.0.0/8'],
    })
  })

  test('prefers the file over HTTPS_PROXY, and HTTPS_PROXY over HTTP_PROXY', async () => {
    const env = { HTTPS_PROXY: 'http://two:2', HTTP_PROXY: 'http://three:3', NO_PROXY: 'a' }
    expect(await proxyOf('network: { proxy: "http://one:1", no_proxy: "b" }', env)).toMatchObject({
      address: 'http://one:1',
      source: 'network.proxy',
      noProxy: ['b'],
    })
    expect(await proxyOf('network: { proxy: "${MISSING}" }', env)).toMatchObject({ address: 'http://two:2', source: 'HTTPS_PROXY' })
  })

  test('is direct where the file says so, whatever the environment names', async () => {
    expect(await proxyOf('network: { proxy: "" }', { HTTPS_PROXY: 'http://two:2' })).toBeNull()
  })

  test('may be written without a scheme, as other programs allow', async () => {
    expect(await proxyOf('', { HTTPS_PROXY: 'proxy.internal:3128' })).toMatchObject({ address: 'http://proxy.internal:3128' })
  })

  test.each(['socks5://proxy:1080', 'http:// ', 'http://proxy/path', 'http://proxy?q'])(
    '%s is refused in words that repeat nothing of it',
    async (proxy) => {
      const remedy = 'is not the address of an http or https proxy — write http://host:port'
      expect((await load('', { HTTPS_PROXY: proxy })).lines).toEqual([expect.stringContaining(`environment: HTTPS_PROXY: ${remedy}`)])
      const { lines } = await load(`network:\n  proxy: "${proxy}"`)
      expect(lines).toEqual([expect.stringContaining(`imagegate.yaml:2:10: network.proxy: ${remedy}`)])
      expect(lines.join('')).not.toContain(proxy)
    },
  )

  test('never shows the proxy’s user name or password', async () => {
    const { config } = await accepted('', { HTTPS_PROXY: 'http://user:canary-password@proxy:3128' })
    expect(config.network.proxy?.url.reveal()).toBe('http://user:canary-password@proxy:3128/')
    for (const shown of [JSON.stringify(config.network), inspect(config, { depth: 9 })]) expect(shown).not.toContain('canary')
  })
})
