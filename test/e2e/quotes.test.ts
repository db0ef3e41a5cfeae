import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { Quote } from '#contract'
import type { Comparison } from '#contract'
import { json, problem, launchGateway } from './gateway.ts'
import type { Gateway } from './gateway.ts'

/** Where references are fetched from: an image of 2048×1536 noise, one that never answers, and one that is none. */
const images = createServer((request, response) => {
  fetched.push(request.url ?? '')
  if (request.url === '/never.jpg') return
  if (request.url === '/page') return void response.end('<html>no image</html>')
  response.setHeader('content-type', 'image/jpeg')
  response.setHeader('content-length', large.length)
  response.end(large)
})
const fetched: string[] = []
let large: Buffer
let square: string
let host: string
let gateway: Gateway

beforeAll(async () => {
  const noise = { type: 'gaussian', mean: 128, sigma: 60 } as const
  large = await sharp({ create: { width: 2048, height: 1536, channels: 3, background: '#468', noise } })
    .jpeg({ quality: 95 })
    .toBuffer()
  const small = await sharp({ create: { width: 1024, height: 1024, channels: 3, background: '#468' } })
    .png()
    .toBuffer()
  square = `data:image/png;base64,${small.toString('base64')}`
  await new Promise<void>((resolve) => images.listen(0, '127.0.0.1', resolve))
  host = `127.0.0.1:${(images.address() as AddressInfo).port}`
  gateway = await launchGateway({
    config: `network: { allow: ["${host}"] }\nproviders: { vtrix: { prices: { flux-2-pro: { per_image: "0.028" } } } }`,
  })
})
afterAll(async () => {
  await gateway.close()
  images.closeAllConnections()
  await new Promise((resolve) => images.close(resolve))
})

async function quote(body: object): Promise<Quote> {
  const reply = await gateway.post('/v1/quotes', { model: 'flux-2-pro', prompt: 'a lighthouse', ...body })
  if (reply.status !== 200) throw new Error(`${reply.status}: ${await reply.text()}`)
  return Quote.parse(await reply.json())
}
const offer = ({ offers }: Quote, provider: string) => offers.find((one) => one.provider === provider)
const amounts = ({ offers }: Quote) => Object.fromEntries(offers.map(({ provider, cost }) => [provider, cost?.amount ?? null]))

describe('the priced examples of the vendor’s page (https://runware.ai/docs/models/bfl-flux-2-pro, read 2026-11-21)', () => {
  const common = { width: 1536, height: 1024, prompt_upsampling: true, safety_tolerance: 2 }
  test.each([
    ['Volcanic Glasshouse Orchid Procession', 15903, 3, '0.09'],
    ['Submerged Grand Library Atrium', 16070, 0, '0.045'],
    ['Tidal Clockwork Harbor Panorama', 27270, 3, '0.09'],
    ['Wind-Carved Salt Cathedral', 73410, 0, '0.045'],
  ])('%s is quoted to the cent', async (_, seed, references, printed) => {
    const images = Array.from({ length: references }, () => square)
    const quoted = await quote({ ...common, seed, ...(references > 0 ? { reference_images: images } : {}) })
    expect(offer(quoted, 'runware')).toMatchObject({ eligible: true, warnings: [], cost: { amount: printed } })
  })
})

/** Asked, so that no vendor default differs. */
const alike = { prompt_upsampling: false, safety_tolerance: 2 }

describe('a quote', () => {
  test('measures a reference behind a link, reading only its beginning', async () => {
    const quoted = await quote({ ...alike, width: 1024, height: 1024, reference_images: [`http://${host}/large.jpg`] })
    expect(large.length).toBeGreaterThan(1_000_000)
    expect(amounts(quoted)).toEqual({ bfl: '0.075', runware: '0.075', vtrix: '0.028' })
    expect(offer(quoted, 'bfl')?.assumptions).toEqual([])
  })

  test('measures a stored image and one sent along, and fetches nothing for them', async () => {
    const before = fetched.length
    const [image] = (await gateway.generate({ model: 'runware/flux-2-pro', width: 1536, height: 1024 })).images
    const quoted = await quote({ width: 1024, height: 1024, reference_images: [{ image: image?.id }, square] })
    expect(amounts(quoted)).toMatchObject({ bfl: '0.075', runware: '0.075' })
    expect(fetched.length).toBe(before)
  })

  test.each([
    ['is no image', () => `http://${host}/page`],
    ['is at a name that does not exist', () => 'https://no-such-host.invalid/1.png'],
  ])('of a reference that %s says what it takes for granted', async (_, url) => {
    const quoted = await quote({ ...alike, width: 1024, height: 1024, reference_images: [url()] })
    expect(offer(quoted, 'bfl')).toMatchObject({
      eligible: true,
      cost: { amount: '0.045' },
      assumptions: ['The size of reference image 1 cannot be seen; it is priced as 1 megapixel.'],
    })
  })

  test('does not wait long for a reference that never comes', async () => {
    const startedAt = performance.now()
    const quoted = await quote({ width: 1024, height: 1024, reference_images: [`http://${host}/never.jpg`, `http://${host}/large.jpg`] })
    // Three seconds, and the work of a busy machine; a purchase waits for fifteen.
    expect(performance.now() - startedAt).toBeLessThan(12_000)
    expect(amounts(quoted)).toMatchObject({ bfl: '0.09' })
  })

  test('shows every offer, eligible or not and why, cheapest first, and spends nothing', async () => {
    const quoted = await quote({ safety_tolerance: 0 })
    expect(Object.fromEntries(quoted.offers.map(({ provider, eligible }) => [provider, eligible]))).toEqual({
      bfl: true,
      runware: true,
      vtrix: false,
    })
    expect(offer(quoted, 'vtrix')?.reasons.join()).toContain('safety_tolerance')
    expect(quoted.cheapest).not.toBe('vtrix')
    const { data } = await json<{ data: readonly { request: { safety_tolerance?: number } }[] }>(await gateway.ask('/v1/generations'))
    expect(data.filter(({ request }) => request.safety_tolerance === 0)).toEqual([])
  })
})

test('the latency of a generation stands beside the next quotes, and breaks the tie between equal prices', async () => {
  const { routing } = await gateway.generate({ model: 'runware/flux-1.1-pro', width: 1024, height: 1024 })
  expect(routing).toMatchObject({ strategy: 'pinned' })
  const request = { model: 'flux-1.1-pro', width: 1024, height: 1024 }
  const quoted = await quote(request)
  expect(amounts(quoted)).toMatchObject({ bfl: '0.04', runware: '0.04' })
  expect(offer(quoted, 'bfl')?.latency_ms).toBeNull()
  const measured = offer(quoted, 'runware')?.latency_ms ?? null
  expect(measured).toMatchObject({ samples: 1 })
  expect(measured?.p50).toBeGreaterThan(0)
  expect(quoted).toMatchObject({ cheapest: 'runware', fastest: null })
  const { provider, routing: chosen } = await gateway.generate(request)
  expect(provider).toBe('runware')
  expect(chosen.strategy).toBe('price')
  expect(chosen.considered).toEqual(
    expect.arrayContaining([
      { provider: 'bfl', eligible: true, fidelity: 'exact', quoted: '0.04', latency_ms: null, latency_samples: null, reasons: [] },
      expect.objectContaining({ provider: 'runware', quoted: '0.04', latency_ms: measured?.p50, latency_samples: 1 }),
    ]),
  )
})

describe('a purchase with references behind links', () => {
  const links = () => Array.from({ length: 3 }, () => `http://${host}/large.jpg`)
  // Three references of 3 megapixels: 0.03 + 9 × 0.015.
  const price = '0.165'

  test('is refused at the price its quote says, before anything is bought', async () => {
    const body = { model: 'flux-2-pro', prompt: 'a capped one', width: 1024, height: 1024, reference_images: links() }
    const capped = { ...body, provider: { only: ['bfl', 'runware'], max_price_usd: '0.10' } }
    expect(amounts(await quote(body))).toMatchObject({ bfl: price, runware: price })
    const reply = await gateway.post('/v1/generations', capped)
    expect([reply.status, (await problem(reply)).detail]).toEqual([422, expect.stringContaining(`the quote is ${price}, and at most 0.10`)])
    const { data } = await json<{ data: readonly { request: { prompt: string } }[] }>(await gateway.ask('/v1/generations'))
    expect(data.filter(({ request }) => request.prompt === 'a capped one')).toEqual([])
    const compared = await gateway.post('/v1/comparisons', { ...capped, providers: ['bfl', 'runware'] })
    expect(compared.status).toBe(422)
  })

  test.each(['bfl', 'runware'])('is quoted and billed alike at %s, with every line of its cost', async (provider) => {
    const request = { model: `${provider}/flux-2-pro`, width: 1024, height: 1024, reference_images: links() }
    const { cost } = await gateway.generate(request)
    expect(cost.quoted).toBe(price)
    expect(offer(await quote(request), provider)?.cost?.lines).toEqual([
      { what: 'first output megapixel', quantity: 1, unit_amount: '0.03', amount: '0.03' },
      { what: 'reference megapixel', quantity: 9, unit_amount: '0.015', amount: '0.135' },
    ])
  })

  test.each(['bfl', 'runware'])('and without a size makes the size its quote is for, at %s', async (provider) => {
    const request = { model: `${provider}/flux-2-pro`, reference_images: [`http://${host}/large.jpg`] }
    const quoted = offer(await quote(request), provider)
    const { images, cost } = await gateway.generate(request)
    expect(quoted).toMatchObject({ fidelity: 'exact' })
    expect(images[0]).toMatchObject({ width: 2048, height: 1536 })
    expect(cost.quoted).toBe(quoted?.cost?.amount)
  })

  test('is compared with the same sizes everywhere, each link fetched once', async () => {
    const before = fetched.length
    const comparison = await json<Comparison>(
      await gateway.post(
        '/v1/comparisons',
        { model: 'flux-2-pro', prompt: 'a lighthouse', reference_images: [`http://${host}/once.jpg`], providers: ['bfl', 'runware'] },
        { prefer: 'wait=60' },
      ),
    )
    expect(fetched.slice(before).filter((path) => path === '/once.jpg').length).toBeLessThanOrEqual(3)
    expect(comparison.summary.map(({ provider, fidelity, width, height }) => ({ provider, fidelity, width, height }))).toEqual([
      { provider: 'bfl', fidelity: 'exact', width: 2048, height: 1536 },
      { provider: 'runware', fidelity: 'exact', width: 2048, height: 1536 },
    ])
    expect(comparison.summary[0]?.assumptions).toEqual([
      expect.stringContaining('prompt_upsampling: not asked, and bfl uses on, runware uses off'),
    ])
  })
})

test('a quote sorts what can be used before what cannot, names the fastest from five measured tasks on, and shows every field of an offer', async () => {
  const plain = await launchGateway()
  try {
    const ask = async (body: object) =>
      Quote.parse(
        await (await plain.post('/v1/quotes', { model: 'flux-2-pro', prompt: 'x', width: 1024, height: 1024, n: 2, ...body })).json(),
      )
    const without = await ask({ provider: { ignore: ['runware'] } })
    expect(without.offers.map(({ provider, eligible, cost }) => [provider, eligible, cost?.amount ?? null])).toEqual([
      ['bfl', true, '0.06'],
      ['vtrix', true, null],
      ['runware', false, '0.06'],
    ])
    expect(without.considered.map(({ provider }) => provider)).toEqual(['runware'])
    for (let count = 1; count <= 5; count++) {
      await plain.generate({ model: 'runware/flux-2-pro', width: 1024, height: 1024 })
      expect((await ask({})).fastest).toBe(count < 5 ? null : 'runware')
    }
    const measured = offer(await ask({}), 'runware')
    expect(measured).toMatchObject({
      provider_model: 'bfl:5@1',
      fidelity: 'exact',
      applied: { width: 1024, height: 1024, n: 2, prompt_upsampling: false },
      cost: {
        amount: '0.06',
        per_megapixel: '0.03',
        lines: [{ what: 'first output megapixel', quantity: 2, unit_amount: '0.03', amount: '0.06' }],
      },
      latency_ms: { samples: 5 },
      observed: null,
    })
    expect(Object.keys(measured?.latency_ms ?? {}).toSorted()).toEqual(['p50', 'p95', 'samples'])
  } finally {
    await plain.close()
  }
})

describe('the route a quote names', () => {
  test('is the one a purchase takes, and every other provider is named with the reason', async () => {
    const request = { model: 'flux-2-pro', width: 1000, height: 1000, provider: { ignore: ['vtrix'], sort: 'price' } }
    const quoted = await quote(request)
    expect(quoted.sandbox).toBe(true)
    expect(quoted.considered).toEqual([{ provider: 'vtrix', reason: expect.stringContaining('provider.ignore') }])
    expect(offer(quoted, 'bfl')).toMatchObject({ fidelity: 'near', applied: { width: 1008, height: 1008, safety_tolerance: 2 } })
    const { provider, routing } = await gateway.generate(request)
    expect(quoted.route[0]).toBe(provider)
    expect(routing.considered.map(({ provider: name, fidelity }) => [name, fidelity])).toContainEqual(['bfl', 'near'])
  })
})

test('a full and a paused provider are passed over by the route of a quote, with the reason', async () => {
  const busy = await launchGateway({ config: 'providers: { bfl: { max_in_flight: 1 } }' })
  try {
    const start = (provider: string, story: string) =>
      busy.post('/v1/generations', { model: `${provider}/flux-2-pro`, prompt: `x sandbox:${story}` }, { prefer: 'respond-async' })
    await Promise.all([start('bfl', 'never'), start('runware', 'always-rate-limited')])
    await vi.waitFor(
      async () => {
        const reply = await busy.post('/v1/quotes', { model: 'flux-2-pro', prompt: 'x', width: 1024, height: 1024 })
        const { route, considered } = Quote.parse(await reply.json())
        expect(considered).toEqual(
          expect.arrayContaining([
            { provider: 'bfl', reason: expect.stringMatching(/^full: /) },
            { provider: 'runware', reason: expect.stringMatching(/^paused: /) },
          ]),
        )
        expect(route).toEqual(['vtrix'])
      },
      { timeout: 15_000, interval: 20 },
    )
  } finally {
    await busy.close()
  }
})

test('a safety check that an option switches on is kept: no offer without it is quoted, chosen or fallen back to', async () => {
  const safe = { model: 'flux-2-pro', width: 1024, height: 1024, provider_options: { runware: { safety: { checkContent: true } } } }
  const quoted = await quote(safe)
  expect(quoted.route).toEqual(['runware'])
  expect(quoted.considered).toContainEqual({
    provider: 'bfl',
    reason: expect.stringContaining('provider_options.runware.safety.checkContent'),
  })
  expect(await gateway.generate(safe)).toMatchObject({ status: 'succeeded', provider: 'runware' })
  const failing = await gateway.generate({ ...safe, prompt: 'sandbox:no-credit@runware' })
  expect(failing).toMatchObject({ status: 'failed', attempts: [{ provider: 'runware' }] })
  const off = await quote({ ...safe, provider_options: { runware: { safety: { checkContent: false } } } })
  expect(off.route).toContain('bfl')
})

test('a reference at a private address nobody allowed is refused as it would be by a generation', async () => {
  const reply = await gateway.post('/v1/quotes', { model: 'flux-2-pro', prompt: 'x', reference_images: ['https://127.0.0.1:9/secret.png'] })
  expect(reply.status).toBe(400)
  expect(await problem(reply)).toMatchObject({ code: 'invalid_request', errors: [{ path: 'reference_images.0' }] })
})
