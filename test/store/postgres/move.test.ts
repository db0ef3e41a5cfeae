import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { runCommandLine } from '../../../src/cli/command-line.ts'
import { openPostgresStore } from '../../../src/store/postgres/store.ts'
import { openStore } from '../../../src/store/sqlite/store.ts'
import { emptyDatabase, POSTGRES_PROGRAMS } from '../../support/postgres.ts'
import { budget, ledgerEntry, settlement } from '../ledger-entries.ts'
import { attemptRecord, comparisonRecord, generationRecord, imageRecord } from '../records.ts'

const UNUSABLE = {
  provider: 'north',
  eligible: false,
  fidelity: null,
  quoted: null,
  latency_ms: null,
  latency_samples: null,
  reasons: ['no API key'],
}

async function migrated(directory: string, url: string, ...more: readonly string[]) {
  const said: string[] = []
  const terminal = {
    out: (text: string) => void said.push(text),
    err: (text: string) => void said.push(text),
    draw: () => {},
    isInteractive: false,
    columns: 80,
    env: {},
    onInterrupt: () => () => {},
  }
  const status = await runCommandLine(
    ['migrate', '--from', `file:${join(directory, 'imagegate.db')}`, '--to', url, ...more],
    terminal as unknown as Parameters<typeof runCommandLine>[1],
  )
  return { status, said: said.join('\n') }
}

test.skipIf(POSTGRES_PROGRAMS === null)(
  '`imagegate migrate` moves everything of a file to PostgreSQL, shows both, can be repeated, and refuses a database that went on',
  { timeout: 60_000 },
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'imagegate-move-'))
    onTestFinished(() => rmSync(directory, { recursive: true }))
    const url = await emptyDatabase()
    const generation = generationRecord('gen_1', {
      key: 'team',
      sandbox: false,
      metadata: { lot: 'a\u0000b' },
      attempts: [attemptRecord('att_1', { seed: '18446744073709551615' })],
    })
    const file = await openStore({ directory, money: 'real' })
    await file.commit({
      generations: [generation, generationRecord('gen_2', { sandbox: false, status: 'succeeded', createdAt: 2_000 })],
      images: [imageRecord('img_1', 'gen_2')],
      comparisons: [comparisonRecord('cmp_1')],
      idempotency: { scope: 'team', key: 'order', bodyHash: 'h', generationId: 'gen_1', createdAt: 5 },
      calls: [{ generationId: 'gen_2', attempt: 1, complete: true, data: [] }],
      ledger: [
        ledgerEntry('gen_1', { kind: 'reserved', amount: '0.03', period: '2026-11' }),
        settlement('gen_2', 'att_2', { amount: '0.0123', task: { durationMs: 4_000, wasSubmitted: true } }),
      ],
      budget: budget(),
    })
    // So many plans that name the same unusable offer say its number at the end.
    const considered = [{ ...UNUSABLE }]
    for (let plan = 0; plan < 40; plan++) {
      const id = `gen_before_${plan}`
      await file.commit({
        generations: [
          generationRecord(id, { sandbox: false, status: 'succeeded', createdAt: plan, routing: { strategy: 'price', considered } }),
        ],
      })
    }
    const pepper = await file.secret('key-pepper', 'made once')
    await file.nameKeys([{ keyHash: 'h1', name: 'team' }])
    await file.close()

    for (const time of ['once', 'again']) {
      const { status, said } = await migrated(directory, url)
      expect([time, status, said]).toEqual([time, 0, expect.stringContaining('Both are the same')])
      expect(said).toMatch(/ledger\n {2}file: {7}2 rows, amount 0\.0423,.*\n {2}PostgreSQL: 2 rows, amount 0\.0423,/)
    }
    const store = await openPostgresStore(url)
    expect(await store.generation('gen_1')).toEqual(generation)
    expect((await store.generation('gen_before_39'))?.routing.considered).toEqual([UNUSABLE])
    expect((await store.list({ limit: 2, search: 'LIGHTHOUSE' })).records.map(({ id }) => id)).toEqual(['gen_2', 'gen_1'])
    expect((await store.list({ limit: 5, metadata: { lot: 'a\u0000b' } })).records.map(({ id }) => id)).toEqual(['gen_1'])
    expect((await store.claimOpen()).map(({ record }) => record.id)).toEqual(['gen_1'])
    expect((await store.image('img_1'))?.bytes).toBe(412_345)
    expect(await store.secret('key-pepper', 'another')).toBe(pepper)
    expect(await store.budgetUsed('team', '2026-11', 0)).toBe('0.03')
    expect(await store.attemptCalls('gen_2', 1)).toMatchObject({ complete: true })
    expect(await store.providerHours('north', 0, 3_600_000)).toMatchObject([{ succeeded: 1 }])
    expect(await migrated(directory, url)).toMatchObject({ status: 1, said: expect.stringContaining('another imagegate process uses') })
    await store.commit({ generations: [generationRecord('gen_3')], areNew: true, ledger: [ledgerEntry('gen_3')] })
    await store.close()
    expect(await migrated(directory, url)).toMatchObject({ status: 1, said: expect.stringContaining('gen_3') })
    expect(await migrated(join(directory, 'x'), 'mysql://x')).toMatchObject({ status: 2, said: expect.stringContaining('--to:') })
  },
)
