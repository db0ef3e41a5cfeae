import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Comparison, Generation } from '#contract'
import { openStorage, STORAGES } from '../support/storages.ts'
import type { Storage } from '../support/storages.ts'
import { json, problem } from './gateway.ts'
import { launchProcess } from './gateway-process.ts'
import type { Gateway } from './gateway.ts'

const hash = (key: string) => createHash('sha256').update(key).digest('hex')
const as = (key: string) => ({ authorization: `Bearer ${key}` })
const A = as('key-of-a')
const B = as('key-of-b')
const BOSS = as('key-of-boss')

describe.each(STORAGES)('a gateway that keeps what it knows in %s', (name) => {
  /** Where references behind links are: an image, and one that is not there. */
  const images = createServer((request, response) => {
    if (request.url === '/gone.png') response.writeHead(404)
    response.end(request.url === '/gone.png' ? 'gone' : image)
  })
  let image: Buffer
  let host = ''
  let storage: Storage
  let gateway: Gateway
  let reference = ''
  beforeAll(async () => {
    await new Promise<void>((resolve) => images.listen(0, '127.0.0.1', resolve))
    host = `127.0.0.1:${(images.address() as AddressInfo).port}`
    const keys = ['a', 'b', 'boss'].map((name) => `{ name: ${name}, key_hash: ${hash(`key-of-${name}`)}, admin: ${name === 'boss'} }`)
    storage = await openStorage(name)
    gateway = await launchProcess({
      env: storage.environment,
      config: `${storage.configuration()}keys: [${keys.join(', ')}]\nnetwork: { allow: ["${host}"] }\n`,
    })
    image = await sharp({ create: { width: 512, height: 384, channels: 3, background: 'red' } })
      .png()
      .toBuffer()
    reference = `data:image/png;base64,${image.toString('base64')}`
  })
  afterAll(async () => {
    await gateway.close()
    storage.close()
    images.closeAllConnections()
    images.close()
  })

  interface Echo {
    readonly image: string
    readonly sha256: string
    readonly width: number
    readonly height: number
  }
  const echoes = ({ request }: { readonly request: Readonly<Record<string, unknown>> }) => request['reference_images'] as readonly Echo[]

  /** An answer without the ids that were asked for, which are all that may differ. */
  async function shape(reply: Response, id: string): Promise<readonly [number, string]> {
    return [reply.status, (await reply.text()).replaceAll(id, '<id>')]
  }

  describe('a reference image', () => {
    test('that came as data has an image id of its own, which its key can send back as the result shows it', async () => {
      const first = await gateway.generate({ reference_images: [reference] }, A)
      const [echo] = echoes(first)
      expect(echo).toEqual({
        image: expect.stringMatching(/^img_/),
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
        width: 512,
        height: 384,
      })
      const again = await gateway.generate({ reference_images: [echo] }, A)
      expect([again.status, echoes(again)]).toEqual(['succeeded', [echo]])
      const file = await gateway.ask(`/v1/images/${echo?.image}`, { headers: A })
      expect([file.status, file.headers.get('content-type')]).toEqual([200, 'image/png'])
      expect((await json<Generation>(await gateway.ask(`/v1/generations/${first.id}`, { headers: A }))).request).toEqual(first.request)
    })

    test('that came as a link is an image of its key like any other, also in a comparison, and stays a link where nothing can be fetched', async () => {
      const link = `http://${host}/a.png?sig=private`
      const first = await gateway.generate({ reference_images: [link] }, A)
      const [echo] = echoes(first)
      const sha256 = createHash('sha256').update(image).digest('hex')
      expect(echoes(first)).toEqual([{ image: expect.stringMatching(/^img_/), sha256, width: 512, height: 384 }])
      expect(Buffer.from(await (await gateway.ask(`/v1/images/${echo?.image}`, { headers: A })).arrayBuffer()).equals(image)).toBe(true)
      const again = await gateway.generate({ reference_images: [echo] }, A)
      expect([again.status, echoes(again)]).toEqual(['succeeded', [echo]])
      const missing = await gateway.post('/v1/quotes', { model: 'flux-2-pro', prompt: 'x', reference_images: [{ image: echo?.image }] }, B)
      expect(missing.status).toBe(400)
      const reply = await gateway.post('/v1/comparisons', { model: 'flux-2-pro', prompt: 'x', reference_images: [link] }, A)
      const comparison = await json<Comparison>(reply)
      expect(echoes(comparison)).toEqual([{ ...echo, image: expect.stringMatching(/^img_/) }])
      for (const generation of comparison.generations) expect(echoes(generation)).toEqual(echoes(comparison))
      const gone = await gateway.post(
        '/v1/generations',
        { model: 'bfl/flux-2-pro', prompt: 'x', reference_images: [`http://${host}/gone.png`] },
        A,
      )
      expect(echoes(await json<Generation>(gone))).toEqual([{ url: `http://${host}/gone.png` }])
    })

    test('is shown with one id by a comparison and all its generations', async () => {
      const reply = await gateway.post('/v1/comparisons', { model: 'flux-2-pro', prompt: 'x', reference_images: [reference] }, A)
      const comparison = await json<Comparison>(reply)
      const [echo] = echoes(comparison)
      expect(echo?.image).toMatch(/^img_/)
      expect(comparison.generations.length).toBeGreaterThan(1)
      for (const generation of comparison.generations) expect(echoes(generation)).toEqual([echo])
      expect((await gateway.generate({ reference_images: [{ image: echo?.image }] }, A)).status).toBe('succeeded')
    })

    test('of another key, delivered or sent, is answered as one that is not there, in quotes, generations, comparisons and compatible APIs', async () => {
      const generation = await gateway.generate({ reference_images: [reference] }, A)
      const theirs = [generation.images[0]?.id ?? '', echoes(generation)[0]?.image ?? '']
      const absent = 'img_019b00000000700080000000000000aa'
      const body = (image: string) => ({ model: 'flux-2-pro', prompt: 'x', reference_images: [{ image }] })
      for (const path of ['/v1/generations', '/v1/quotes', '/v1/comparisons', '/v1/images/generations']) {
        const missing = await shape(await gateway.post(path, body(absent), B), absent)
        expect(missing[0]).toBe(400)
        for (const image of theirs) expect(await shape(await gateway.post(path, body(image), B), image)).toEqual(missing)
      }
      const uuid = (id: string) => id.replace(/^img_(.{8})(.{4})7(.{3})(.{4})(.{12})$/, '$1-$2-4$3-$4-$5')
      const task = (id: string, taskUUID: string) => [
        {
          taskType: 'imageInference',
          taskUUID,
          model: 'bfl:5@1',
          positivePrompt: 'x',
          width: 1024,
          height: 1024,
          inputs: { referenceImages: [uuid(id)] },
        },
      ]
      const runware = async (id: string) => {
        const reply = await gateway.post('/runware/v1', task(id, crypto.randomUUID()), B)
        const { errors } = await json<{ errors: { code: string; message: string }[] }>(reply)
        return [reply.status, errors.map(({ code, message }) => [code, message.replaceAll(id, '<id>').replaceAll(uuid(id), '<id>')])]
      }
      const missing = await runware(absent)
      for (const image of theirs) expect(await runware(image)).toEqual(missing)
    })

    test('of any key may be used by an admin key', async () => {
      const { images } = await gateway.generate({}, A)
      expect((await gateway.generate({ reference_images: [{ image: images[0]?.id }] }, BOSS)).status).toBe('succeeded')
    })
  })

  test('a record of another key is answered as what is not there, however it is named, and an admin key sees it', async () => {
    const webhook = { url: 'https://example.com/hook' }
    const own = await gateway.generate({ webhook }, A)
    const { id: comparison } = await json<Comparison>(await gateway.post('/v1/comparisons', { model: 'flux-2-pro', prompt: 'x' }, A))
    const deliveries = await json<{ data: { id: string }[] }>(await gateway.ask('/v1/webhooks/deliveries', { headers: A }))
    const delivery = deliveries.data[0]?.id ?? ''
    const paths: readonly (readonly [string, string, (id: string) => string])[] = [
      ['GET', own.id, (id) => `/v1/generations/${id}`],
      ['GET', own.id, (id) => `/v1/generations/${id}/events`],
      ['GET', own.id, (id) => `/v1/generations/${id}/attempts/1/calls`],
      ['POST', own.id, (id) => `/v1/generations/${id}/cancel`],
      ['GET', comparison, (id) => `/v1/comparisons/${id}`],
      ['GET', comparison, (id) => `/v1/comparisons/${id}/events`],
      ['GET', delivery, (id) => `/v1/webhooks/deliveries/${id}`],
      ['POST', delivery, (id) => `/v1/webhooks/deliveries/${id}/retry`],
      ['GET', own.id, (id) => `/bfl/v1/get_result?id=${id}`],
    ]
    for (const [method, id, path] of paths) {
      expect(id).not.toBe('')
      const absent = id.replace(/.{6}$/, 'ffffff')
      const missing = await shape(await gateway.ask(path(absent), { method, headers: B }), absent)
      expect([path(id), missing[0]]).toEqual([path(id), 404])
      expect(await shape(await gateway.ask(path(id), { method, headers: B }), id)).toEqual(missing)
    }
    for (const path of ['/v1/generations', '/v1/comparisons', '/v1/webhooks/deliveries'])
      expect(await json(await gateway.ask(path, { headers: B }))).toMatchObject({ data: [] })
    expect((await gateway.ask(`/v1/generations/${own.id}`, { headers: BOSS })).status).toBe(200)
    const all = await json<{ data: Generation[] }>(await gateway.ask('/v1/generations?limit=100', { headers: BOSS }))
    expect(all.data.map(({ id }) => id)).toContain(own.id)
    expect(await problem(await gateway.ask('/v1/generations/gen_x', { headers: B }))).toMatchObject({ code: 'not_found' })
  })
})
