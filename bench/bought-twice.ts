import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { request } from 'undici'
import { CLIENTS } from './bought-twice/clients.ts'
import type { Buyer, Client } from './bought-twice/clients.ts'
import { chart, merged, table } from './bought-twice/report.ts'
import type { Counted, Row } from './bought-twice/report.ts'
import { THIS_CHECKOUT } from './gateway.ts'
import { serve } from './processes.ts'

const AT_ONCE = 16

/**
 * What each client buys, with its defaults, of a vendor whose replies get lost after it has accepted (`bought-twice/vendor.ts`).
 * `--images`: how many are asked of each; `--only`: one client or provider; `--write`: replaces the kept rows of the same clients
 * (docs/bought-twice.json), prints the table of all, and draws their chart.
 */
export async function boughtTwice(): Promise<void> {
  const { values } = parseArgs({
    allowPositionals: true,
    options: { images: { type: 'string', default: '1000' }, only: { type: 'string' }, write: { type: 'boolean' } },
  })
  const asked = Number(values.images)
  const chosen = CLIENTS.filter(({ name, provider }) => values.only === undefined || name === values.only || provider === values.only)
  const rows: Row[] = []
  for (const client of chosen) {
    const row = await measured(client, asked)
    rows.push(row)
    console.log(JSON.stringify(row))
  }
  const shown = values.write === true ? written(rows) : rows
  console.log(`\n${table(shown)}`)
}

function written(rows: readonly Row[]): readonly Counted[] {
  const [kept, drawn] = ['docs/bought-twice.json', 'docs/bought-twice.svg'].map((path) => join(THIS_CHECKOUT, path)) as [string, string]
  const all = merged(JSON.parse(readFileSync(kept, 'utf8')) as readonly Counted[], rows)
  writeFileSync(kept, `[\n${all.map((row) => `  ${JSON.stringify(row)}`).join(',\n')}\n]\n`)
  writeFileSync(drawn, chart(all))
  return all
}

async function measured(client: Client, asked: number): Promise<Row> {
  const vendor = await serve('bought-twice/vendor.ts', [client.provider])
  const buyer = await client.start(vendor.url)
  try {
    const begun = performance.now()
    const { delivered, priced, errors } = await buyAll(buyer, asked)
    const named = (await buyer.named?.()) ?? 0
    const seconds = Math.round((performance.now() - begun) / 1_000)
    const { bought } = JSON.parse(await (await request(`${vendor.url}/bench/bought`)).body.text()) as { bought: number }
    return { client: client.name, provider: client.provider, asked, bought, delivered, priced, named, seconds, errors }
  } finally {
    await buyer.close?.()
    vendor.stop()
  }
}

async function buyAll(buyer: Buyer, asked: number) {
  const seen = { delivered: 0, priced: 0, errors: {} as Record<string, number> }
  let next = 0
  const worker = async () => {
    while (next < asked) {
      const prompt = `a lighthouse, number ${(next += 1)}`
      try {
        const { usd } = await buyer.buy(prompt)
        seen.delivered += 1
        if (usd !== null) seen.priced += 1
      } catch (error) {
        const words = (error instanceof Error ? error.message : JSON.stringify(error)).slice(0, 60)
        seen.errors[words] = (seen.errors[words] ?? 0) + 1
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return seen
}
