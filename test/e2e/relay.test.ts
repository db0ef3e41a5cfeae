import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { startProcess, type ServerProcess } from '../crash/process.ts'
import { readText } from '../support/source-tree.ts'
import { RELAY_KEY, startStrictRelay, type StrictRelay } from './strict-relay.ts'

const folder = mkdtempSync(join(tmpdir(), 'imagegate-relay-'))
const file = join(folder, 'imagegate.yaml')
const environment = { IMAGEGATE_CONFIG: file, IMAGEGATE_DATA: join(folder, 'data'), MY_RELAY_API_KEY: RELAY_KEY }
let relay: StrictRelay
let server: ServerProcess

const entry = (baseUrl: string) =>
  `{ shape: openai-images, base_url: "${baseUrl}", models: { flux-2-pro: { provider_model: "flux.2-pro", price: { per_image: "0.024" } } } }`

beforeAll(async () => {
  relay = await startStrictRelay()
  // As docs/relays.md has it.
  const [, example = ''] = /```yaml\n([\s\S]*?)```/.exec(readText('docs/relays.md')) ?? []
  writeFileSync(file, example.replace('https://relay.example', relay.url))
  server = await startProcess(environment)
})
afterAll(async () => {
  await server.kill('SIGTERM')
  relay.close()
  rmSync(folder, { recursive: true, force: true })
})

const get = async (path: string): Promise<unknown> => (await fetch(`${server.url}${path}`)).json()
const post = (path: string, body: object, headers: Readonly<Record<string, string>> = {}) =>
  fetch(`${server.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
const generate = async (body: object): Promise<Generation> =>
  (await (await post('/v1/generations', { model: 'flux-2-pro', prompt: 'a lighthouse', ...body })).json()) as Generation

/** The file changed under the running gateway, and read again. */
async function change(yaml: string): Promise<void> {
  writeFileSync(file, yaml)
  server.signal('SIGHUP')
}

describe('a relay that is an entry of the configuration alone', () => {
  test('sells through our own API in its own words, quoted as configured and billed as it says', async () => {
    const quote = await (await post('/v1/quotes', { model: 'flux-2-pro', prompt: 'a lighthouse', width: 640, height: 480 })).json()
    expect(quote).toMatchObject({
      cheapest: 'my-relay',
      offers: expect.arrayContaining([
        expect.objectContaining({ provider: 'my-relay', cost: expect.objectContaining({ amount: '0.024' }) }),
      ]),
    })
    const generation = await generate({ width: 640, height: 480, seed: 7 })
    expect(relay.bought).toEqual([
      { path: '/v1/images/generations', body: { model: 'flux.2-pro', prompt: 'a lighthouse', size: '640x480' } },
    ])
    expect(generation).toMatchObject({
      status: 'succeeded',
      sandbox: false,
      provider: 'my-relay',
      provider_model: 'flux.2-pro',
      images: [{ width: 640, height: 480 }],
      cost: { quoted: '0.024', amount: '0.021', basis: 'billed' },
      warnings: [{ code: 'unsupported', field: 'seed' }],
    })
    expect(await get('/v1/prices')).toMatchObject({
      data: expect.arrayContaining([
        expect.objectContaining({ provider: 'my-relay', price: expect.objectContaining({ per_image: '0.024', source: 'configuration' }) }),
      ]),
    })
  })

  test('sells through the API of other clients', async () => {
    const reply = await post('/v1/images/generations', { model: 'my-relay/flux-2-pro', prompt: 'a lighthouse', size: '512x512' })
    expect(reply.headers.get('x-imagegate-provider')).toBe('my-relay')
    expect(await reply.json()).toMatchObject({ data: [{ url: expect.stringContaining('/v1/images/img_') }] })
    expect(relay.bought.at(-1)?.body).toEqual({ model: 'flux.2-pro', prompt: 'a lighthouse', size: '512x512' })
  })

  test('is never asked again for what a lost reply may have bought, nor for what was held as the gateway died', async () => {
    const before = relay.bought.length
    expect(await generate({ prompt: 'a reply that is lost' })).toMatchObject({
      status: 'failed',
      error: { code: 'outcome_unknown', billed: 'unknown' },
      cost: { amount: null, basis: 'unknown' },
    })
    const held = await post('/v1/generations', { model: 'flux-2-pro', prompt: 'a reply that is held' }, { prefer: 'respond-async' })
    const { id } = (await held.json()) as Generation
    await expect.poll(() => relay.bought.length, { timeout: 10_000 }).toBe(before + 2)
    await server.kill('SIGKILL')
    server = await startProcess(environment)
    await expect.poll(() => get(`/v1/generations/${id}`), { timeout: 10_000 }).toMatchObject({ error: { code: 'outcome_unknown' } })
    expect(relay.bought.length).toBe(before + 2)
  })

  test('comes, moves and goes with the file, each reload whole or not at all', async () => {
    const wrong = `providers:
  my-relay: { shape: openai-images, base_url: "${relay.url}", models: { flux-2-pro: { provider_model: 7 } } }
  other: { shape: openai-images, models: { Big: { provider_model: b } }, mask: true }
  vtrx: {}
models: { flux-2-pro: { route: { order: [my-relay, nobody] } } }`
    await change(wrong)
    const said = (words: string) => expect.poll(() => server.said(), { timeout: 10_000 }).toContain(words)
    await said('providers.my-relay.models.flux-2-pro.provider_model: is the number 7')
    await said('providers.other.models.Big')
    await said('providers.other: has no base_url')
    await said('providers.other.mask: is sent as a file of a form')
    await said('no provider \\"vtrx\\" is installed')
    await said('no provider \\"nobody\\" is installed')
    expect(server.said()).not.toContain('no provider \\"my-relay\\"')

    await change(
      `providers: { my-relay: ${entry(`${relay.url}/openai/v1/`)}, second: ${entry(relay.url).replace('flux-2-pro:', 'new-model:')} }`,
    )
    await said('providers.second: added, disabled')
    await expect
      .poll(() => get('/v1/models/new-model'), { timeout: 10_000 })
      .toMatchObject({ offers: [{ provider: 'second', enabled: false }] })
    expect(await generate({})).toMatchObject({ status: 'succeeded', provider: 'my-relay' })
    expect(relay.bought.at(-1)?.path).toBe('/openai/v1/images/generations')
    await change(`providers: { my-relay: ${entry(relay.url)} }`)
    await said('providers.second: removed')
    expect((await fetch(`${server.url}/v1/models/new-model`)).status).toBe(404)
  })
})
