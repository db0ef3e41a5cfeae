import { describe, expect, it } from 'vitest'
import { createDestinationCheck } from '../../src/transport/destination.ts'
import { parseAllow } from '../../src/transport/guard.ts'
import { lookupOf } from './loopback.ts'

const judge = (url: string, allow: readonly string[] = [], addresses: readonly string[] = ['93.184.216.34']) =>
  createDestinationCheck({ allow: parseAllow(allow), lookup: lookupOf([...addresses]) })(url)

describe('a webhook’s URL', () => {
  it.each([
    ['https to a public name', 'https://hook.test/x', []],
    ['https to a public address', 'https://8.8.8.8/x', []],
    ['https to a private address in an allowed network', 'https://10.1.2.3/x', ['10.0.0.0/8']],
    ['http to a private address in an allowed network', 'http://10.1.2.3:9000/x', ['10.0.0.0/8']],
    ['http to an allowed service', 'http://hooks.internal:9000/x', ['hooks.internal:9000']],
  ])('may be %s', async (_, url, allow) => {
    expect(await judge(url, allow)).toBeNull()
  })

  it('may be http to a name all of whose addresses are allowed', async () => {
    expect(await judge('http://hooks.internal/x', ['10.0.0.0/8'], ['10.0.0.1', '10.0.0.2'])).toBeNull()
    expect(await judge('http://hooks.internal/x', ['10.0.0.0/8'], ['10.0.0.1', '8.8.8.8'])).toMatch(/^http is not encrypted/)
  })

  it.each([
    ['http to a public name', 'http://hook.test/x', [], /^http is not encrypted/],
    ['http to a public address beside an allowed network', 'http://8.8.8.8/x', ['10.0.0.0/8'], /^http is not encrypted/],
    ['another port of an allowed service', 'http://hooks.internal:9001/x', ['hooks.internal:9000'], /^http is not encrypted/],
    ['loopback', 'https://127.0.0.1/x', [], /^127\.0\.0\.1 is not at a public address/],
    ['IPv6 loopback', 'https://[::1]/x', [], /^::1 is not at a public address/],
    ['loopback spelled as a number', 'https://2130706433/x', [], /not at a public address/],
    ['a name of this machine', 'https://localhost/x', [], /^localhost is not at a public address/],
    ['a name of this machine with its dot', 'https://localhost./x', [], /^localhost\. is not at a public address/],
    ['a longer name of this machine', 'https://localhost.localdomain/x', [], /^localhost\.localdomain is not at a public address/],
    ['a name below one of this machine', 'https://a.LOCALHOST/x', ['10.0.0.0/8'], /^a\.localhost is not at a public address/],
    ['another scheme', 'ftp://hook.test/x', [], /give an https URL$/],
    ['a name and password', 'https://u:p@hook.test/x', [], /give an https URL$/],
    ['nothing like a URL', 'https://', [], /give an https URL$/],
  ])('is refused for %s, with the remedy', async (_, url, allow, reason) => {
    expect(await judge(url, allow)).toMatch(reason)
  })

  it('is refused where one of its name’s addresses is private, without saying which', async () => {
    const said = await judge('https://hook.test/x', [], ['8.8.8.8', '10.1.2.3'])
    expect(said).toMatch(/^hook\.test is not at a public address/)
    expect(said).not.toContain('10.1.2.3')
  })

  it('is left to the moment of connecting where its name is not known, or not in time', async () => {
    const check = (lookup: Parameters<typeof createDestinationCheck>[0]['lookup']) =>
      createDestinationCheck({ allow: parseAllow([]), lookupTimeoutMs: 5, ...(lookup ? { lookup } : {}) })('https://hook.test/x')
    expect(await check((_host, _options, callback) => callback(new Error('ENOTFOUND'), ''))).toBeNull()
    expect(await check(() => {})).toBeNull()
  })
})
