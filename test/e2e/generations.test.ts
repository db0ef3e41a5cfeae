import { createHash } from 'node:crypto'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Generation } from '#contract'
import { GenerationList } from '../../src/http/api/generations.ts'
import { createClient } from '../../src/client/client.ts'
import { json, problem, launchGateway } from './gateway.ts'
import type { Gateway } from './gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await launchGateway()
})
afterAll(() => gateway.close())

describe.for([
  ['bfl', 'flux-2-pro'],
  ['bfl', 'flux-2-flex'],
  ['bfl', 'flux-1.1-pro'],
  ['runware', 'flux-2-pro'],
  ['runware', 'flux-2-flex'],
  ['runware', 'flux-1.1-pro'],
  ['vtrix', 'flux-2-pro'],
  ['vtrix', 'flux-1.1-pro'],
] as const)('%s sells %s:', ([provider, model]) => {
  test('the same request comes back as the same shape, with a real image of the asked size', async () => {
    const generation = await gateway.generate({
      model: `${provider}/${model}`,
      width: 768,
      height: 512,
      seed: 42,
      metadata: { run: `${provider} ${model}` },
    })
    expect(Generation.parse(generation)).toEqual(generation)
    expect(generation).toMatchObject({
      status: 'succeeded',
      sandbox: true,
      provider,
      model,
      warnings: [],
      error: null,
      metadata: { run: `${provider} ${model}` },
    })
    expect(generation.cost).toMatchObject({ currency: 'USD', basis: 'billed', amount: expect.stringMatching(/^\d+\.\d+$/) })
    if (generation.cost.quoted !== null) expect(generation.cost.amount).toBe(generation.cost.quoted)
    const [image] = generation.images
    const reply = await fetch(image?.url ?? '')
    const bytes = Buffer.from(await reply.arrayBuffer())
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(image?.sha256)
    expect(bytes.length).toBe(image?.bytes)
    expect(await sharp(bytes).metadata()).toMatchObject({ width: 768, height: 512, format: image?.format })
  })
})

describe('one request', () => {
  test('with everything normalized in it is honoured or said, never dropped in silence', async () => {
    const generation = await gateway.generate({
      model: 'runware/flux-2-flex',
      aspect_ratio: '16:9',
      megapixels: 1,
      seed: 7,
      n: 3,
      output_format: 'webp',
      output_quality: 80,
      safety_tolerance: 1,
      prompt_upsampling: true,
      guidance: 4,
      steps: 20,
      provider_options: { bfl: { transparent_bg: true } },
    })
    expect(generation.images).toHaveLength(3)
    expect(new Set(generation.images.map((image) => image.sha256)).size).toBe(3)
    expect(generation.images[0]?.format).toBe('webp')
    expect(generation.warnings).toMatchObject([{ code: 'ignored_option', field: 'provider_options.bfl' }])
  })

  test('for several images at a vendor without batches makes several paid tasks', async () => {
    const generation = await gateway.generate({ model: 'bfl/flux-2-pro', n: 3 })
    expect(generation.images).toHaveLength(3)
    expect(generation.attempts).toHaveLength(3)
    expect(new Set(generation.attempts.map((attempt) => attempt.provider_task_id)).size).toBe(3)
    expect(generation.cost.amount).toBe('0.09')
    expect(generation.attempts.map(({ cost }) => cost.quoted)).toEqual(['0.03', '0.03', '0.03'])
  })

  test('may refer to an image this gateway made', async () => {
    const first = await gateway.generate({ width: 640, height: 448 })
    for (const provider of ['bfl', 'runware', 'vtrix']) {
      const edit = await gateway.generate({
        model: `${provider}/flux-2-pro`,
        prompt: 'at night',
        reference_images: [{ image: first.images[0]?.id }],
      })
      expect([provider, edit.status]).toEqual([provider, 'succeeded'])
      expect(edit.request['reference_images']).toEqual([
        { image: first.images[0]?.id, sha256: first.images[0]?.sha256, width: 640, height: 448 },
      ])
    }
  })

  test('that does not end within the wait is answered 202 with its address, and waited for there', async () => {
    const slow = await launchGateway({ typicalMs: 1_500 })
    try {
      const reply = await slow.post('/v1/generations', { model: 'flux-2-pro', prompt: 'x' }, { prefer: 'respond-async' })
      expect([reply.status, reply.headers.get('preference-applied')]).toEqual([202, 'respond-async'])
      const location = reply.headers.get('location') ?? ''
      expect(await json(reply)).toMatchObject({ status: expect.stringMatching(/queued|running/), images: [], cost: { amount: null } })
      const done = await slow.ask(location, { headers: { prefer: 'wait=60' } })
      expect(await json(done)).toMatchObject({ status: 'succeeded' })
    } finally {
      await slow.close()
    }
  })

  test('with an Idempotency-Key is one generation however often it is posted', async () => {
    const ask = (body: object) =>
      gateway.post('/v1/generations', { model: 'flux-2-pro', prompt: 'once', ...body }, { 'idempotency-key': 'order-1' })
    const replies = await Promise.all(Array.from({ length: 10 }, () => ask({})))
    const ids = await Promise.all(replies.map(async (reply) => (await json<Generation>(reply)).id))
    expect(new Set(ids).size).toBe(1)
    expect(replies.filter((reply) => reply.headers.get('idempotent-replayed') === 'true')).toHaveLength(9)
    const other = await ask({ seed: 1 })
    expect(other.status).toBe(422)
    expect(await problem(other)).toMatchObject({ errors: [{ path: 'Idempotency-Key' }] })
  })

  test('whose caller goes away while it waits is made and paid for all the same', async () => {
    const slow = await launchGateway({ typicalMs: 400 })
    try {
      const caller = new AbortController()
      const asked = slow.ask('/v1/generations', {
        method: 'POST',
        headers: { 'content-type': 'application/json', prefer: 'wait=60' },
        body: JSON.stringify({ model: 'bfl/flux-2-pro', prompt: 'a lighthouse' }),
        signal: caller.signal,
      })
      const latest = async () => (await json<{ data: readonly Generation[] }>(await slow.ask('/v1/generations'))).data[0]
      await expect.poll(async () => (await latest())?.status).toBe('running')
      // Open, and found by its prompt.
      expect(await json(await slow.ask('/v1/generations?q=LIGHT%20ouse'))).toMatchObject({ data: [{ status: 'running' }] })
      caller.abort()
      await expect(asked).rejects.toThrow('aborted')
      const left = await slow.ask(`/v1/generations/${(await latest())?.id}`, { headers: { prefer: 'wait=60' } })
      expect(await json(left)).toMatchObject({ status: 'succeeded', images: [{}], attempts: [{}], cost: { basis: 'billed' } })
    } finally {
      await slow.close()
    }
  })

  test('can be canceled, and says that the vendor may bill it', async () => {
    const slow = await launchGateway({ typicalMs: 5_000 })
    try {
      const { id } = await slow.generate({ model: 'bfl/flux-2-pro' }, { prefer: 'wait=1' })
      const canceled = await json<Generation>(await slow.ask(`/v1/generations/${id}/cancel`, { method: 'POST' }))
      expect(canceled).toMatchObject({
        status: 'canceled',
        error: { code: 'canceled', billed: 'unknown' },
        // What the vendor reported at the submit is kept, whatever the end.
        cost: { amount: '0.03', basis: 'billed' },
      })
      expect(await json(await slow.ask(`/v1/generations/${id}`))).toEqual(canceled)
    } finally {
      await slow.close()
    }
  })
})

describe('the list', () => {
  test('is newest first, pages by cursor and filters by everything together', async () => {
    const ids: string[] = []
    for (let i = 0; i < 5; i++)
      ids.push((await gateway.generate({ model: i % 2 ? 'bfl/flux-2-pro' : 'runware/flux-2-pro', metadata: { suite: 'list' } })).id)
    const list = async (query: string) =>
      GenerationList.parse(await json(await gateway.ask(`/v1/generations?metadata.suite=list&${query}`)))
    const first = await list('limit=3')
    expect(first.data.map(({ id }) => id)).toEqual(ids.toReversed().slice(0, 3))
    expect(first.has_more).toBe(true)
    const second = await list(`limit=3&cursor=${first.next_cursor}`)
    expect(second.data.map(({ id }) => id)).toEqual(ids.toReversed().slice(3))
    expect(second).toMatchObject({ has_more: false, next_cursor: null })
    expect((await list('provider=bfl&status=succeeded&model=flux-2-pro')).data.map(({ id }) => id)).toEqual([ids[3], ids[1]])
    expect((await list('status=failed')).data).toEqual([])
    const { id } = await gateway.generate({ prompt: 'Ein Leuchtturm bei Nacht', metadata: { suite: 'list' } })
    expect((await list('q=nacht%20LEUCHT')).data.map((one) => one.id)).toEqual([id])
    expect((await list('q=leuchtturm&provider=vtrix')).data).toEqual([])
    const tooShort = await gateway.ask('/v1/generations?q=ab')
    expect([tooShort.status, (await problem(tooShort)).errors?.[0]?.path]).toEqual([400, 'q'])
  })

  test('of a provider’s hours counts what was made, and is bounded', async () => {
    const before = (await createClient({ url: gateway.url }).providerHistory('bfl')).data
    await gateway.generate({ model: 'bfl/flux-2-pro' })
    const { data, sandbox, from, to } = await createClient({ url: gateway.url }).providerHistory('bfl')
    const made = (hours: typeof data) => hours.reduce((sum, hour) => sum + hour.succeeded, 0)
    expect([sandbox, made(data) - made(before)]).toEqual([true, 1])
    expect(data.at(-1)?.latency_ms?.samples).toBeGreaterThan(0)
    expect([data.length, from.endsWith(':00:00.000Z'), from < to]).toEqual([25, true, true])
    const status = async (path: string) => (await gateway.ask(`/v1/providers/${path}`)).status
    expect(await status('bfl/history?from=2026-01-01&to=2026-01-31&by=hour')).toBe(200)
    expect(await status('bfl/history?from=2026-01-01&to=2026-03-31')).toBe(400)
    expect(await status('bfl/history?from=2026-01-02&to=2026-01-01T00:00:00Z')).toBe(400)
    expect(await status('bfl/history?by=day')).toBe(400)
    expect(await status('nobody/history')).toBe(404)
  })
})

describe('an image', () => {
  test('is served immutable, in ranges, and not again where it is known', async () => {
    const [image] = (await gateway.generate({})).images
    const url = image?.url ?? ''
    const whole = await fetch(url)
    expect(whole.headers.get('cache-control')).toContain('immutable')
    const bytes = Buffer.from(await whole.arrayBuffer())
    const part = await fetch(url, { headers: { range: 'bytes=10-19' } })
    expect([part.status, part.headers.get('content-range')]).toEqual([206, `bytes 10-19/${bytes.length}`])
    expect(Buffer.from(await part.arrayBuffer())).toEqual(bytes.subarray(10, 20))
    const tail = await fetch(url, { headers: { range: 'bytes=-5' } })
    expect(Buffer.from(await tail.arrayBuffer())).toEqual(bytes.subarray(-5))
    expect((await fetch(url, { headers: { range: 'bytes=99999999-' } })).status).toBe(416)
    expect((await fetch(url, { headers: { 'if-none-match': whole.headers.get('etag') ?? '' } })).status).toBe(304)
    expect((await fetch(url, { method: 'HEAD' })).headers.get('content-length')).toBe(String(bytes.length))
  })

  test('is sent whole where a client resumes another one, and not again where its tag is weak, in a list or any', async () => {
    const [image] = (await gateway.generate({})).images
    const url = image?.url ?? ''
    const etag = (await fetch(url)).headers.get('etag') ?? ''
    const statusOf = async (headers: Record<string, string>) => (await fetch(url, { headers })).status
    expect(await statusOf({ range: 'bytes=0-3', 'if-range': '"another"' })).toBe(200)
    expect(await statusOf({ range: 'bytes=0-3', 'if-range': etag })).toBe(206)
    for (const known of [`W/${etag}`, `"another", ${etag}`, '*']) expect(await statusOf({ 'if-none-match': known })).toBe(304)
    expect(await statusOf({ 'if-none-match': '"another"' })).toBe(200)
  })

  test('that there is not, or whose name climbs out of the folder, is not found', async () => {
    for (const name of ['img_none.jpg', '..%2F..%2Fimagegate.db', 'img_x%00.jpg'])
      expect((await gateway.ask(`/v1/images/${name}`)).status).toBe(404)
  })
})

describe('the event stream', () => {
  async function events(url: string, headers: Record<string, string> = {}) {
    const text = await (await fetch(url, { headers })).text()
    return [...text.matchAll(/^id: (\d+)\nevent: (\S+)\ndata: (.*)$/gm)].map(([, id, type, data]) => ({
      id: Number(id),
      type,
      data: JSON.parse(data ?? '') as { status?: string },
    }))
  }

  test('sends every state change and ends with the whole generation; Last-Event-ID resumes it', async () => {
    const { id } = await gateway.generate({ model: 'bfl/flux-2-pro' }, { prefer: 'respond-async' })
    const url = `${gateway.url}/v1/generations/${id}/events`
    const all = await events(url)
    expect(all.map(({ type }) => type).filter((type) => type !== 'progress')).toEqual(['queued', 'running', 'succeeded'])
    expect(all.map((event) => event.id)).toEqual(all.map((_, index) => index + 1))
    expect(all.at(-1)?.data).toMatchObject({ id, status: 'succeeded' })
    expect(await events(url, { 'last-event-id': '1' })).toEqual(all.slice(1))
  })
})
