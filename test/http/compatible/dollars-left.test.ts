import { describe, expect, test } from 'vitest'
import { dollarsLeft } from '../../../src/http/compatible/dollars-left.ts'
import type { BalanceSources } from '../../../src/http/compatible/dollars-left.ts'

const providers = (...accounts: readonly [state: 'enabled' | 'disabled', balance: string | null][]) =>
  ({
    list: async () => accounts.map(([state, balance_usd], index) => ({ id: `p${index}`, state, balance_usd })),
  }) as unknown as BalanceSources['providers']

const caller = { key: 'a', providers: null }

describe('dollarsLeft', () => {
  test('is the rest of its own budget, whatever the accounts hold', async () => {
    expect(await dollarsLeft({ providers: providers(['enabled', '1000']), budgetLeft: async () => '0' }, caller)).toBe('0')
  })

  test('is what the enabled accounts report, added up, without a budget', async () => {
    const accounts = providers(['enabled', '10.5'], ['disabled', '99'], ['enabled', null], ['enabled', '0.25'])
    expect(await dollarsLeft({ providers: accounts, budgetLeft: async () => null }, caller)).toBe('10.75')
    expect(await dollarsLeft({ providers: accounts }, caller)).toBe('10.75')
  })

  test('counts no account of a provider that the key may not use', async () => {
    const accounts = providers(['enabled', '10.5'], ['enabled', '99'], ['enabled', '0.25'])
    expect(await dollarsLeft({ providers: accounts }, { key: 'a', providers: ['p0', 'p2'] })).toBe('10.75')
    expect(await dollarsLeft({ providers: accounts }, { key: 'a', providers: ['p3'] })).toBeNull()
  })

  test('is not known where nobody reports one, never nothing', async () => {
    expect(await dollarsLeft({ providers: providers(['enabled', null]) }, caller)).toBeNull()
  })
})
