import { createHash, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Comparison } from '#contract'
import { imageLinks, judgeLink } from '../../src/core/present/image-link.ts'
import { connect } from '../http/compatible/mcp/clients.ts'
import { json, launchGateway, problem } from './gateway.ts'
import type { Gateway } from './gateway.ts'

const hash = (key: string) => createHash('sha256').update(key).digest('hex')
const as = (key: string) => ({ authorization: `Bearer ${key}` })
const KEYS = `keys: [{ name: a, key_hash: ${hash('key-of-a')} }, { name: b, key_hash: ${hash('key-of-b')} }]\n`
const A = as('key-of-a')
const SIGNED = /\/v1\/images\/img_\w+\.\w+\?expires=\d+&signature=[\w-]{43}$/

let gateway: Gateway
beforeAll(async () => {
  gateway = await launchGateway({ config: `${KEYS}assets: { link_ttl: 2h }\n` })
})
afterAll(() => gateway.close())

describe('the link of an image, where keys are on', () => {
  test('works without a key, is private, and ends at the hour after its time to live', async () => {
    const { images } = await gateway.generate({}, A)
    const url = images[0]?.url ?? ''
    expect(url).toMatch(SIGNED)
    const reply = await fetch(url)
    expect([reply.status, reply.headers.get('cache-control')]).toEqual([200, expect.stringMatching(/^private, max-age=\d+, immutable$/)])
    const expires = Number(new URL(url).searchParams.get('expires'))
    expect(expires % 3_600).toBe(0)
    expect(expires * 1_000 - Date.now()).toBeGreaterThan(7_200_000 - 10_000)
    expect(expires * 1_000 - Date.now()).toBeLessThanOrEqual(10_800_000)
    expect((await fetch(`${url}&w=64`)).status).toBe(200)
  })

  test('is needed where no key comes: a bare, changed, or borrowed one is 401, whether the image is there or not', async () => {
    const [one, other] = await Promise.all([gateway.generate({}, A), gateway.generate({}, A)])
    const url = new URL(one.images[0]?.url ?? '')
    const borrowed = new URL(url)
    borrowed.search = new URL(other.images[0]?.url ?? '').search
    const longer = new URL(url)
    longer.searchParams.set('expires', String(Number(url.searchParams.get('expires')) + 3_600))
    const absent = new URL(url)
    absent.pathname = '/v1/images/img_019b00000000700080000000000000aa.jpg'
    const bare = `${url.origin}${url.pathname}`
    // The width of a small one stands outside the signature.
    const small = await fetch(`${url.href}&w=128`)
    expect([small.status, small.headers.get('cache-control')]).toEqual([200, expect.stringMatching(/^private, max-age=\d+, immutable$/)])
    const answers = await Promise.all(
      [bare, `${bare}?w=128`, borrowed, longer, absent, `${bare}?expires=1&signature=`].map(async (each) => (await fetch(each)).status),
    )
    expect(answers).toEqual([401, 401, 401, 401, 401, 401])
    expect((await fetch(bare, { headers: A })).status).toBe(200)
    const theirs = await fetch(bare, { headers: as('key-of-b') })
    const missing = await fetch(absent, { headers: as('key-of-b') })
    expect([theirs.status, await problem(theirs)]).toEqual([missing.status, await problem(missing)])
    expect(theirs.status).toBe(404)
  })

  test('is 401 with a signature of as many characters that are more bytes, at which the gateway once stumbled', async () => {
    const url = (await gateway.generate({}, A)).images[0]?.url ?? ''
    const answers = await Promise.all(
      ['é', '€', '𝒜'].map(async (end) => (await fetch(url.slice(0, -end.length) + encodeURIComponent(end))).status),
    )
    expect(answers).toEqual([401, 401, 401])
  })

  test('is in every answer: OpenAI’s, BFL’s, Runware’s, MCP’s, comparisons and events', async () => {
    const body = { model: 'flux-2-pro', prompt: 'x' }
    const openai = await json<{ data: { url: string }[] }>(await gateway.post('/v1/images/generations', body, A))
    const submitted = await json<{ id: string }>(await gateway.post('/bfl/v1/flux-2-pro', { prompt: 'x' }, { 'x-key': 'key-of-a' }))
    const { id } = await json<{ id: string }>(
      await gateway.ask(`/v1/generations/${submitted.id}`, { headers: { ...A, prefer: 'wait=60' } }),
    )
    const bfl = await json<{ result: { sample: string } }>(
      await gateway.ask(`/bfl/v1/get_result?id=${id}`, { headers: { 'x-key': 'key-of-a' } }),
    )
    const task = { taskType: 'imageInference', taskUUID: randomUUID(), model: 'bfl:5@1', positivePrompt: 'x', width: 1024, height: 1024 }
    const runware = await json<{ data: { imageURL: string }[] }>(await gateway.post('/runware/v1', [task], A))
    const comparison = await json<Comparison>(await gateway.post('/v1/comparisons', body, A))
    const events = await (await gateway.ask(`/v1/generations/${id}/events`, { headers: A })).text()
    const agent = await connect(gateway.url, 'key-of-a')
    const mcp = await agent.call('get_generation', { id })
    await agent.close()
    const urls = [
      openai.data[0]?.url,
      bfl.result.sample,
      runware.data[0]?.imageURL,
      ...comparison.generations.flatMap(({ images }) => images.map(({ url }) => url)),
      /"url":"([^"]*\/v1\/images\/[^"]*)"/.exec(events)?.[1],
      /(http\S*\/v1\/images\/\S*)/.exec(mcp.text)?.[1],
    ]
    expect(urls.length).toBeGreaterThan(5)
    for (const url of urls) expect(url).toMatch(SIGNED)
    expect(await Promise.all(urls.map(async (url) => (await fetch(url ?? '')).status))).toEqual(urls.map(() => 200))
  })

  test('is the same over a restart, since the store keeps what signs it', async () => {
    const dataDirectory = `${gateway.folder}/restarted`
    const before = await launchGateway({ config: KEYS, dataDirectory })
    const url = new URL((await before.generate({}, A)).images[0]?.url ?? '')
    await before.close()
    const after = await launchGateway({ config: KEYS, dataDirectory })
    expect((await after.ask(`${url.pathname}${url.search}`)).status).toBe(200)
    await after.close()
  })

  test('is plain and public for ever where the operator made images public', async () => {
    const open = await launchGateway({ config: `${KEYS}assets: { public: true }\n` })
    const { images } = await open.generate({}, A)
    expect(images[0]?.url).toMatch(/\.\w+$/)
    const reply = await fetch(images[0]?.url ?? '')
    expect([reply.status, reply.headers.get('cache-control')]).toEqual([200, 'public, max-age=31536000, immutable'])
    await open.close()
  })

  test('streams the provider’s bytes where images are not kept', async () => {
    const passing = await launchGateway({ config: `${KEYS}assets: { keep: false }\n` })
    const { images } = await passing.generate({}, A)
    expect(images[0]?.url).not.toContain('/v1/images/')
    // Without bytes of our own there is no small one: whoever asks for one gets the image.
    const reply = await passing.ask(`/v1/images/${images[0]?.id}?w=256`, { headers: A })
    expect([reply.status, reply.headers.get('content-type')]).toEqual([200, expect.stringMatching(/^image\//)])
    expect((await reply.arrayBuffer()).byteLength).toBeGreaterThan(1_000)
    expect((await passing.ask(`/v1/images/${images[0]?.id}`, { headers: as('key-of-b') })).status).toBe(404)
    await passing.close()
  })
})

test('a signed link is valid to its end and not a moment longer', () => {
  const links = imageLinks({ publicUrl: () => 'http://x', secret: 's', lifeMs: () => 60_000, now: () => 1_000 })
  const { searchParams } = new URL(links({ id: 'img_1', format: 'png' }))
  const [expires, signature] = [searchParams.get('expires') ?? '', searchParams.get('signature') ?? '']
  expect(judgeLink('s', 'img_1', expires, signature, 3_599_999)).toEqual({ kind: 'valid', expiresAt: 3_600_000 })
  expect(judgeLink('s', 'img_1', expires, signature, 3_600_000)).toEqual({ kind: 'expired' })
  expect(judgeLink('s', 'img_2', expires, signature, 0)).toEqual({ kind: 'unsigned' })
  expect(judgeLink('s', 'img_1', `0${expires}`, signature, 0)).toEqual({ kind: 'unsigned' })
  expect(judgeLink('other', 'img_1', expires, signature, 0)).toEqual({ kind: 'unsigned' })
})
