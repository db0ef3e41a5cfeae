import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Generation, Quote } from '#contract'
import { OFFERS, offersSoldOn, type ContractOffer } from '../e2e/contract-offers.ts'
import { launchProcess, type GatewayProcess } from '../e2e/gateway-process.ts'
import { LINKS_ALONE, STRICT_WIRES, type Asked, type SentReference } from './strict-wires.ts'

/** A request as it came to the vendor: nothing of the gateway's own has read it. */
interface Heard {
  readonly method: string | undefined
  readonly path: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: unknown
}

const heard = new Map<string, Heard[]>()
let gateway: GatewayProcess
let server: http.Server
let reference: SentReference
let png: Buffer

const ASKED: readonly Asked[] = ['one', 'two', 'edit']
const keyOf = (provider: string): string => `a-key-of-${provider}-0123`
const promptOf = ({ provider, model }: ContractOffer, asked: Asked): string => `a lighthouse for ${provider}/${model}, ${asked}`
const quotedOf = (offer: ContractOffer, asked: Asked): string | null =>
  ({ one: offer.quoted, two: offer.quotedTwo, edit: offer.quotedEdit })[asked]

async function bodyOf(request: http.IncomingMessage): Promise<unknown> {
  const bytes = await buffer(request)
  const type = request.headers['content-type'] ?? ''
  if (!type.startsWith('multipart/')) return JSON.parse(bytes.toString())
  const form = await new Response(bytes, { headers: { 'content-type': type } }).formData()
  const fields = [...form].map(async ([name, value]) => [
    name,
    typeof value === 'string' ? value : Buffer.from(await value.arrayBuffer()).toString('base64'),
  ])
  return Object.fromEntries(await Promise.all(fields))
}

/** One plain server is every vendor, each below a path of its own. It writes down what comes, and refuses it. */
async function answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
  const { url = '', method, headers } = request
  if (url === '/reference.png') return void response.writeHead(200, { 'content-type': 'image/png' }).end(png)
  const [, provider = '', path = ''] = /^\/at-([a-z]+)(.*)$/.exec(url) ?? []
  const body = await bodyOf(request)
  // WaveSpeed's question what an order costs has its prompt one field deeper than the order itself.
  const isQuestion = provider === 'wavespeed' && path === '/api/v3/model/pricing'
  const prompt = isQuestion ? null : (/a lighthouse for [^"]+/.exec(JSON.stringify(body))?.[0] ?? null)
  if (prompt !== null) heard.set(prompt, [...(heard.get(prompt) ?? []), { method, path, headers, body }])
  response.writeHead(400, { 'content-type': 'application/json' }).end('{}')
}

beforeAll(async () => {
  png = await sharp({ create: { width: 1024, height: 1024, channels: 3, background: '#468' } })
    .png()
    .toBuffer()
  server = http.createServer((request, response) => void answer(request, response).catch(() => response.destroy()))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`
  reference = { url: `http://${address}/reference.png`, base64: png.toString('base64') }
  const ids = Object.keys(STRICT_WIRES)
  const providers = ids.map((id) => `  ${id}: { api_key: ${keyOf(id)}, base_url: "http://${address}/at-${id}" }`)
  gateway = await launchProcess({
    config: `network: { allow: ["${address}"] }\nproviders:\n${providers.join('\n')}\n`,
    providers: ids,
  })
}, 60_000)
afterAll(async () => {
  await gateway.close()
  server.closeAllConnections()
  server.close()
})

/** FLUX 1.1 ultra draws four megapixels, whatever is asked. */
const sizeOf = ({ model }: ContractOffer, asked: Asked): object => {
  if (model === 'flux-1.1-pro-ultra') return { aspect_ratio: '1:1', megapixels: 4 }
  const side = asked === 'two' ? 1408 : 1024
  return { width: side, height: side }
}

const requestOf = (offer: ContractOffer, asked: Asked): object => ({
  model: `${offer.provider}/${offer.model}`,
  prompt: promptOf(offer, asked),
  ...sizeOf(offer, asked),
  ...(asked === 'edit'
    ? { reference_images: [LINKS_ALONE.has(offer.provider) ? reference.url : `data:image/png;base64,${reference.base64}`] }
    : {}),
})

const row = (quote: Quote, { provider }: ContractOffer) => quote.offers.find((offer) => offer.provider === provider)

/** A task's id is ours, and another one each time. */
const withoutTaskIds = (body: unknown): unknown =>
  JSON.parse(JSON.stringify(body).replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/g, 'a UUID of version 4'))

const cells = offersSoldOn(new Date()).flatMap((offer) => ASKED.map((asked) => [`${offer.provider}/${offer.model}`, asked, offer] as const))

test('each provider of the contract’s table has its wire written down by hand', () => {
  expect([...new Set(OFFERS.map(({ provider }) => provider))].toSorted()).toEqual(Object.keys(STRICT_WIRES).toSorted())
})

describe.concurrent('a plain server instead of each vendor', () => {
  test.for(cells)('is sent the order for %s (%s) as that vendor’s pages say it, once, at the price calculated by hand', async (cell) => {
    const [, asked, offer] = cell
    const request = requestOf(offer, asked)
    const quote = (await (await gateway.post('/v1/quotes', request)).json()) as Quote
    const quoted = row(quote, offer)
    const expected = quotedOf(offer, asked)
    expect(quoted).toMatchObject({ model: offer.model, provider_model: offer.vendorModel, eligible: expected !== 'none' })
    const reply = await gateway.post('/v1/generations', request, { prefer: 'wait=60' })
    const came = heard.get(promptOf(offer, asked)) ?? []
    if (expected === 'none') {
      expect([reply.status, came]).toEqual([422, []])
      return
    }
    expect(quoted?.cost?.amount ?? null).toBe(expected)
    const { error, attempts } = (await reply.json()) as Generation
    expect([error?.code, attempts.length]).toEqual(['provider_rejected', 1])
    const wire = STRICT_WIRES[offer.provider]?.({ offer, asked, prompt: promptOf(offer, asked), reference })
    const [header, scheme] = wire?.key ?? ['', '']
    expect(came.map(({ method, path, body }) => ({ method, path, body: withoutTaskIds(body) }))).toEqual([
      { method: 'POST', path: wire?.path, body: wire?.body },
    ])
    expect(came[0]?.headers[header]).toBe(scheme + keyOf(offer.provider))
  })
})
