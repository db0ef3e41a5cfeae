import { createHash } from 'node:crypto'
import sharp from 'sharp'
import { expect, test } from 'vitest'
import type { CostReport, Generation } from '#contract'
import { gatewayWith } from '../support/for-one-test.ts'
import { startOddVendor } from '../support/odd-relay.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const IMAGE = await sharp({ create: { width: 1024, height: 1024, channels: 3, background: '#468' } })
  .png()
  .toBuffer()
/** Of low quality, in tokens and dollars. */
const [DRAWN, QUOTED] = [272, 0.008704]
/** Dollars for a token of a prompt. */
const PER_TOKEN = 5 / 1_000_000

/** Counts what OpenAI's page says: five dollars for a million tokens of the prompt, of which a rare character has up to one for each of its bytes. */
async function startVendor(bills: number[]): Promise<string> {
  return startOddVendor((sent) => {
    const { prompt } = JSON.parse(sent) as { readonly prompt: string }
    const text = Buffer.byteLength(prompt)
    bills.push(text * PER_TOKEN + QUOTED)
    const usage = {
      input_tokens: text,
      output_tokens: DRAWN,
      input_tokens_details: { text_tokens: text, image_tokens: 0 },
    }
    return { body: { created: 1, data: [{ b64_json: IMAGE.toString('base64') }], usage } }
  })
}

test('a long prompt, whose tokens the vendor bills, takes no key beyond its budget', { timeout: 60_000 }, async () => {
  const bills: number[] = []
  const vendor = await startVendor(bills)
  const key = `{ name: team, key_hash: ${createHash('sha256').update('team').digest('hex')}, budget_usd: "0.10" }`
  const { url } = await gatewayWith(`keys: [${key}]\nproviders: { openai: { api_key: a-vendor-key-0123, base_url: "${vendor}" } }\n`)
  const headers = { authorization: 'Bearer team', 'content-type': 'application/json', prefer: 'wait=30' }
  const buy = async (prompt: string) => {
    const body = JSON.stringify({ model: 'gpt-image-1.5', prompt, width: 1024, height: 1024, quality: 'low' })
    const reply = await fetch(`${url}/v1/generations`, { method: 'POST', headers, body })
    return { status: reply.status, body: (await reply.json()) as Generation }
  }
  // 96,000 tokens at most: 0.48 dollars beside a quote of less than one cent.
  const refused = await buy('龘'.repeat(32_000))
  expect({ status: refused.status, bills }).toEqual({ status: 402, bills: [] })
  expect(refused.body).toMatchObject({
    errors: expect.arrayContaining([{ path: 'openai', message: 'quoted at 0.008704, at most 0.488704' }]),
  })
  // Each may come to 0.028699 dollars, so that there is enough for three.
  const long = await Promise.all(Array.from({ length: 11 }, () => buy('龘'.repeat(1_333))))
  expect(long.filter(({ status }) => status === 200).map(({ body }) => body.cost)).toEqual(
    Array.from({ length: 3 }, () => expect.objectContaining({ quoted: '0.008704', amount: '0.028699', basis: 'metered' })),
  )
  expect(long.filter(({ status }) => status !== 200).map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 402))
  const { budgets } = (await (await fetch(`${url}/v1/costs`, { headers })).json()) as CostReport
  expect(budgets).toMatchObject([{ used: '0.086097' }])
  expect(bills.reduce((sum, bill) => sum + bill, 0)).toBeLessThanOrEqual(0.1)
  // What is short is bought as ever.
  expect(await buy('a tree')).toMatchObject({ status: 200, body: { cost: { quoted: '0.008704', amount: '0.008734' } } })
})
