import { useRealSockets } from '../transport/real-sockets.ts'
import http from 'node:http'
import { text } from 'node:stream/consumers'
import sharp from 'sharp'
import { expect, test } from 'vitest'
import { compareUsd, subtractUsd, sumUsd } from '#contract'
import type { CostLine, Generation, Problem, Quote } from '#contract'
import { gatewayWith, listening } from '../support/for-one-test.ts'

useRealSockets()

/** One image a call, as many as are asked for, without a word of what it cost. */
async function relay(): Promise<string> {
  const image = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#468' } })
    .jpeg()
    .toBuffer()
  const reply = async (request: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
    const { n = 1 } = JSON.parse(await text(request)) as { n?: number }
    const data = Array.from({ length: n }, () => ({ b64_json: image.toString('base64') }))
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ data }))
  }
  const server = http.createServer((request, response) => void reply(request, response))
  return listening(server)
}

const PRICES = ['0.033333331', '0.000100009', '0.0411', '0.027777777'] as const
const SURCHARGES = ['5.5', '33.333333', '0.000001'] as const

async function gatewayBefore(url: string): Promise<string> {
  const entries = PRICES.flatMap((price, one) =>
    SURCHARGES.map((percent, other) => {
      const models = `{ flux-2-pro: { provider_model: x, price: { per_image: "${price}" } } }`
      return `  relay-${one}-${other}: { shape: openai-images, base_url: "${url}", api_key: vendor-key-0123456, surcharge_percent: "${percent}", models: ${models} }\n`
    }),
  )
  return (await gatewayWith(`network: { allow: ["127.0.0.0/8"] }\nproviders:\n${entries.join('')}`)).url
}

const linesSum = (lines: readonly CostLine[]): string => sumUsd(lines.map(({ amount }) => amount))

test('a quote of several tasks with a surcharge is what they cost, to the last digit, and max_price_usd holds there', async () => {
  const gateway = await gatewayBefore(await relay())
  const post = async <Answer>(path: string, body: object): Promise<Answer> => {
    const headers = { 'content-type': 'application/json', prefer: 'wait=60' }
    return (await (await fetch(gateway + path, { method: 'POST', headers, body: JSON.stringify(body) })).json()) as Answer
  }
  for (const provider of PRICES.flatMap((_, one) => SURCHARGES.map((__, other) => `relay-${one}-${other}`))) {
    for (const n of [1, 3, 7, 20]) {
      const request = { model: 'flux-2-pro', prompt: 'a tree', width: 64, height: 64, n }
      const { offers } = await post<Quote>('/v1/quotes', { ...request, provider: { only: [provider] } })
      const quoted = offers.find((offer) => offer.provider === provider)?.cost
      const most = quoted?.amount ?? '0'
      const bounded = (limit: string) => ({ ...request, provider: { only: [provider], max_price_usd: limit } })
      const { cost, attempts } = await post<Generation>('/v1/generations', bounded(most))
      const shares = sumUsd(attempts.map((attempt) => attempt.cost.quoted ?? '0'))
      expect({ provider, n, cost, lines: linesSum(cost.lines), quoted: linesSum(quoted?.lines ?? []), shares }).toMatchObject({
        cost: { amount: most, quoted: most },
        lines: most,
        quoted: most,
        shares: most,
      })
      expect(compareUsd(most, '0')).toBe(1)
      const refused = await post<Problem>('/v1/generations', bounded(subtractUsd(most, '0.000000001')))
      expect({ provider, n, code: refused.code }).toMatchObject({ code: 'no_eligible_offer' })
    }
  }
}, 120_000)
