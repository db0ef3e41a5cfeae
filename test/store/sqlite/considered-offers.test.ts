import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import type { Routing } from '#contract'
import { openStore } from '../../../src/store/sqlite/store.ts'
import { generationRecord } from '../records.ts'

type Offer = Routing['considered'][number]

const offer = (provider: string, more: Partial<Offer> = {}): Offer => ({
  provider,
  eligible: false,
  fidelity: 'exact',
  quoted: '0.04',
  latency_ms: null,
  latency_samples: null,
  reasons: [`no API key: set ${provider.toUpperCase()}_KEY`],
  ...more,
})

function folder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'imagegate-offers-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  return directory
}

function rowsOf(directory: string): { plans: string[]; offers: string[] } {
  using database = new DatabaseSync(join(directory, 'imagegate.db'), { readOnly: true })
  const column = (sql: string) =>
    database
      .prepare(sql)
      .all()
      .map(({ text }) => String(text))
  return {
    plans: column('SELECT plan AS text FROM generation_plans ORDER BY number'),
    offers: column('SELECT offer AS text FROM considered_offers ORDER BY number'),
  }
}

/** Plans of which all but the first offer are the same objects, as the plans of usual requests have them. */
async function fill(directory: string, plans: number, considered: (plan: number) => readonly Offer[]) {
  const store = await openStore({ directory, money: 'real' })
  const written = Array.from({ length: plans }, (_, plan) =>
    generationRecord(`gen_${String(plan).padStart(4, '0')}`, {
      sandbox: false,
      createdAt: 1_000 + plan,
      routing: { strategy: 'price', considered: [...considered(plan)] },
    }),
  )
  for (const record of written) await store.commit({ generations: [record], areNew: true })
  return { store, written }
}

test('an offer without a key, of which many plans say the same, is kept once, and read as it was, in lists and searches and after a restart, too', async () => {
  const directory = folder()
  const unusable = [offer('north'), offer('south')]
  const { store, written } = await fill(directory, 60, (plan) => [
    offer('usable', { eligible: true, reasons: [], latency_ms: plan }),
    ...unusable,
  ])
  const readAll = async (from: typeof store) => {
    for (const record of written) expect(await from.generation(record.id)).toEqual(record)
    expect((await from.list({ limit: 100 })).records).toEqual(written.toReversed())
    expect((await from.list({ limit: 100, search: 'lighthouse' })).records).toEqual(written.toReversed())
    expect((await from.claimOpen()).map(({ record }) => record)).toEqual(written)
  }
  await readAll(store)
  await store.close()
  const { plans, offers } = rowsOf(directory)
  expect(offers.map((text) => JSON.parse(text) as Offer)).toEqual(unusable)
  expect(plans.at(-1)).toContain('"latency_samples":null,"reasons":[]},1,2]')
  expect(plans.at(-1)?.length).toBeLessThan((plans[0]?.length ?? 0) - 200)
  const reopened = await openStore({ directory, money: 'real' })
  await readAll(reopened)
  await reopened.close()
})

test('an offer that few plans repeat, or that can be used, stays in its plan', async () => {
  const directory = folder()
  const usable = offer('usable', { eligible: true, reasons: [] })
  const { store } = await fill(directory, 60, (plan) => [usable, offer(`north${plan}`)])
  await store.close()
  expect(rowsOf(directory).offers).toEqual([])
})

test('a plan whose offer is gone from the database is damaged, and says so', async () => {
  const directory = folder()
  const unusable = offer('north')
  const { store, written } = await fill(directory, 40, () => [unusable])
  await store.close()
  const database = new DatabaseSync(join(directory, 'imagegate.db'))
  database.exec('DELETE FROM considered_offers')
  database.close()
  const reopened = await openStore({ directory, money: 'real' })
  await expect(reopened.generation(written.at(-1)?.id ?? '')).rejects.toMatchObject({ reason: 'damaged' })
  expect(await reopened.generation('gen_0000')).toEqual(written[0])
  await reopened.close()
})
