import { describe, expect, test } from 'vitest'
import { dollarsLeft } from '../../../src/http/compatible/dollars-left.ts'
import type { BalanceSources } from '../../../src/http/compatible/dollars-left.ts'

const providers = (...accounts: readonly [state: 'enabled' | 'disabled', balance: string | null][]) =>
  ({
    list: async () => accounts.map(([state, balance_usd]) => ({ state, balance_usd })),
  }) as unknown as BalanceSources['providers']

describe('dollarsLeft', () => {
  test('is the rest of its own budget, whatever the accounts hold', async () => {
    expect(await dollarsLeft({ providers: providers(['enabled', '1000']), budgetLeft: async () => '0' }, 'a')).toBe('0')
  })

  test('is what the enabled accounts report, added up, without a budget', async () => {
    const accounts = providers(['enabled', '10.5'], ['disabled', '99'], ['enabled', null], ['enabled', '0.25'])
    expect(await dollarsLeft({ providers: accounts, budgetLeft: async () => null }, 'a')).toBe('10.75')
    expect(await dollarsLeft({ providers: accounts }, null)).toBe('10.75')
  })

  test('is not known where nobody reports one, never nothing', async () => {
    expect(await dollarsLeft({ providers: providers(['enabled', null]) }, null)).toBeNull()
  })
})
