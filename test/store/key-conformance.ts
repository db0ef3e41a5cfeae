import { describe, expect, test } from 'vitest'
import { scopesOf } from '../../src/core/keys/key-record.ts'
import type { KeyRecord } from '../../src/core/keys/key-record.ts'
import { KeyConflict } from '../../src/core/ports.ts'
import type { KeyChange, Store } from '../../src/core/ports.ts'
import { budget, ledgerEntry, settlement } from './ledger-entries.ts'
import { comparisonRecord, generationRecord, imageRecord } from './records.ts'

const keyRecord = (name: string, overrides: Partial<KeyRecord> = {}): KeyRecord => ({
  name,
  scope: 'write',
  models: null,
  providers: null,
  ratePerMinute: null,
  budgetUsd: null,
  allowUnpriced: false,
  period: 'month',
  hash: `hash of ${name}`,
  previous: [],
  createdAt: 1_000,
  rotatedAt: null,
  expiresAt: null,
  lastUsedAt: null,
  ...overrides,
})

/** What every store must do with gateway keys and the gateway's own secrets. */
export function keyConformance(storeNow: () => Store): void {
  const change = (keyChange: KeyChange): Promise<void> => storeNow().commit({ keyChange })

  describe('gateway keys', () => {
    test('are kept as they were saved last, listed by name, and gone once they are revoked', async () => {
      await Promise.all(['b', 'a'].map((name) => change({ kind: 'made', record: keyRecord(name) })))
      const rotated = keyRecord('a', { hash: 'another', previous: [{ hash: 'hash of a', until: 7 }], rotatedAt: 5 })
      await change({ kind: 'changed', record: rotated, from: 'hash of a' })
      expect(await storeNow().keys()).toEqual([rotated, keyRecord('b')])
      await change({ kind: 'used', name: 'b', at: 9_000_000_000_000 })
      await change({ kind: 'used', name: 'revoked elsewhere', at: 9 })
      expect((await storeNow().keys()).slice(1)).toEqual([keyRecord('b', { lastUsedAt: 9_000_000_000_000 })])
      await change({ kind: 'revoked', name: 'a', unlessLastAt: 0 })
      expect((await storeNow().keys()).map(({ name }) => name)).toEqual(['b'])
    })

    test('are made, changed and revoked only as they were found, and the last one is kept where that is asked', async () => {
      const outcomes = async (...changes: readonly KeyChange[]) =>
        (await Promise.allSettled(changes.map(change))).map((done) => {
          if (done.status === 'rejected') expect(done.reason).toBeInstanceOf(KeyConflict)
          return done.status === 'fulfilled'
        })
      const made: KeyChange = { kind: 'made', record: keyRecord('a') }
      expect((await outcomes(made, made)).filter(Boolean)).toHaveLength(1)
      const rotated = (hash: string): KeyChange => ({ kind: 'changed', record: keyRecord('a', { hash }), from: 'hash of a' })
      expect((await outcomes(rotated('one'), rotated('two'))).filter(Boolean)).toHaveLength(1)
      await change({ kind: 'made', record: keyRecord('b') })
      const revoked = (name: string, unlessLastAt: number | null = 0): KeyChange => ({ kind: 'revoked', name, unlessLastAt })
      expect((await outcomes(revoked('a'), revoked('b'))).filter(Boolean)).toHaveLength(1)
      const [left] = await storeNow().keys()
      expect(await outcomes({ kind: 'changed', record: keyRecord('c'), from: 'hash of c' })).toEqual([false])
      expect(await outcomes(revoked(left?.name ?? ''))).toEqual([false])
      // One secret is of one key.
      const twins = ['c', 'd'].map((name): KeyChange => ({ kind: 'made', record: keyRecord(name, { hash: 'one secret' }) }))
      expect((await outcomes(...twins)).filter(Boolean)).toHaveLength(1)
      await change(revoked(left?.name ?? ''))
      for (const { name } of await storeNow().keys()) await change(revoked(name, null))
      expect(await storeNow().keys()).toEqual([])
    })

    test('that were renamed, two for one another too, keep all that they own', async () => {
      const named = (a: string, b: string) =>
        storeNow().nameKeys([
          { keyHash: 'h1', name: a },
          { keyHash: 'h2', name: b },
        ])
      expect(await named('a', 'b')).toEqual([])
      const period = '2026-11'
      const entry = { key: 'again', bodyHash: 'h', createdAt: 1 }
      const ofComparison = { ...entry, scope: scopesOf('a').comparisons, generationId: 'cmp_a' }
      await storeNow().commit({ idempotency: ofComparison })
      for (const key of ['a', 'b']) {
        await storeNow().commit({
          generations: [generationRecord(`gen_${key}`, { key, metadata: { of: key } })],
          images: [imageRecord(`img_${key}`, `gen_${key}`)],
          comparisons: [comparisonRecord(`cmp_${key}`, { key })],
          idempotency: { ...entry, scope: key, generationId: `gen_${key}` },
          ledger: [
            ledgerEntry(`gen_${key}`, { key, kind: 'reserved', amount: '0.03', period }),
            settlement(`gen_${key}`, `att_${key}`, { key }),
          ],
          budget: budget({ key, period }),
        })
      }
      const renamed = await named('b', 'a')
      expect(renamed.toSorted((one, other) => (one.from < other.from ? -1 : 1))).toEqual([
        { from: 'a', to: 'b' },
        { from: 'b', to: 'a' },
      ])
      expect((await storeNow().generation('gen_a'))?.key).toBe('b')
      expect((await storeNow().list({ key: 'a', limit: 5 })).records.map(({ id, key }) => [id, key])).toEqual([['gen_b', 'a']])
      expect((await storeNow().image('img_a'))?.key).toBe('b')
      expect((await storeNow().comparison('cmp_a'))?.key).toBe('b')
      expect((await storeNow().idempotency('b', 'again'))?.generationId).toBe('gen_a')
      expect((await storeNow().idempotency(scopesOf('b').comparisons, 'again'))?.generationId).toBe('cmp_a')
      expect(await storeNow().idempotency(scopesOf('a').comparisons, 'again')).toBeNull()
      expect(await storeNow().budgetUsed('b', period, 0)).toBe('0.03')
      for await (const page of storeNow().costs({ from: null, to: null, key: 'b' }))
        expect(page.map(({ generationId }) => generationId)).toEqual(['gen_a'])
      expect(await named('b', 'a')).toEqual([])
      expect(await named('never-heard-of', 'a')).toEqual([{ from: 'b', to: 'never-heard-of' }])
      expect((await storeNow().list({ key: 'never-heard-of', limit: 5 })).records.map(({ id }) => id)).toEqual(['gen_a'])
    })

    test('whose name has passed to another key own nothing of what that one has bought, whatever they are named later', async () => {
      const of = async (key: string) => (await storeNow().list({ key, limit: 5 })).records.map(({ id }) => id)
      await storeNow().nameKeys([{ keyHash: 'h1', name: 'team' }])
      await storeNow().nameKeys([{ keyHash: 'h2', name: 'team' }])
      await storeNow().commit({ generations: [generationRecord('gen_2', { key: 'team' })] })
      const both = [
        { keyHash: 'h2', name: 'team' },
        { keyHash: 'h1', name: 'legacy' },
      ]
      expect(await storeNow().nameKeys(both)).toEqual([])
      expect([await of('team'), await of('legacy')]).toEqual([['gen_2'], []])
      // One that is made at run time has the name of a configured one that is gone.
      await storeNow().nameKeys([{ keyHash: 'h3', name: 'shop' }])
      await change({ kind: 'made', record: keyRecord('shop') })
      await storeNow().commit({ generations: [generationRecord('gen_3', { key: 'shop' })] })
      expect(await storeNow().nameKeys([{ keyHash: 'h3', name: 'old-shop' }])).toEqual([])
      expect([await of('shop'), await of('old-shop')]).toEqual([['gen_3'], []])
    })

    test('share one secret of each name with every process, whoever made it first', async () => {
      const made = await Promise.all(['one', 'two', 'three'].map((value) => storeNow().secret('pepper', value)))
      expect(new Set(made).size).toBe(1)
      expect(await storeNow().secret('pepper', 'later')).toBe(made[0])
      expect(await storeNow().secret('links', 'other')).toBe('other')
    })
  })
}
