import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { launchGateway } from './gateway.ts'
import type { Gateway } from './gateway.ts'

const SECRETS = { one: 'the-secret-of-key-one', other: 'the-secret-of-key-other' }
const hash = (secret: string) => createHash('sha256').update(secret).digest('hex')
const keys = (one: string, other: string) =>
  `keys: [{ name: ${one}, key_hash: ${hash(SECRETS.one)}, budget_usd: "1", period: total }, { name: ${other}, key_hash: ${hash(SECRETS.other)}, budget_usd: "2", period: total }]\n`
const asOne = { authorization: `Bearer ${SECRETS.one}` }
const asOther = { authorization: `Bearer ${SECRETS.other}` }
const read = async (gateway: Gateway, path: string, headers: Record<string, string>) =>
  (await (await gateway.ask(path, { headers })).json()) as {
    data: { id: string }[]
    total: { spend: string }
    budgets: { key: string; used: string; limit: string }[]
  }

test(
  'a key that has another name after a restart keeps its generations, costs, budget and idempotency keys',
  { timeout: 60_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'imagegate-renamed-'))
    const options = { dataDirectory: join(folder, 'data') }
    const first = await launchGateway({ ...options, config: keys('alpha', 'beta') })
    const bought = await first.generate({ width: 256, height: 256 }, { ...asOne, 'idempotency-key': 'once' })
    await first.generate({ width: 256, height: 256, n: 2 }, asOther)

    // While it runs, what the key owns could not follow.
    writeFileSync(first.configPath, keys('gamma', 'beta'))
    await first.reload()
    const { configuration } = (await (await first.ask('/v1/providers', { headers: asOne })).json()) as {
      configuration: { refused: unknown }
    }
    expect(JSON.stringify(configuration.refused)).toContain('the key alpha is called gamma here')
    await first.close()

    // Both at once, and each takes the name that the other had.
    const second = await launchGateway({ ...options, config: keys('beta', 'alpha') })
    expect((await read(second, '/v1/generations', asOne)).data.map(({ id }) => id)).toEqual([bought.id])
    expect((await read(second, '/v1/generations', asOther)).data).toHaveLength(1)
    expect(await read(second, '/v1/costs', asOne)).toMatchObject({
      total: { spend: '0.03' },
      budgets: [{ key: 'beta', used: '0.03', limit: '1' }],
    })
    expect(await read(second, '/v1/costs', asOther)).toMatchObject({
      total: { spend: '0.06' },
      budgets: [{ key: 'alpha', used: '0.06', limit: '2' }],
    })
    const again = await second.generate({ width: 256, height: 256 }, { ...asOne, 'idempotency-key': 'once' })
    expect(again.id).toBe(bought.id)
    await second.close()
    rmSync(folder, { recursive: true, force: true })
  },
)
