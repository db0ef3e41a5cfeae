import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { launchProcess, type GatewayProcess } from '../e2e/gateway-process.ts'
import { freePort } from '../support/free-port.ts'
import { providerFolders, readManifest } from '../support/installed-providers.ts'

type Answer = (response: http.ServerResponse) => void

const html = (status: number, body: string): Answer => {
  return (response) => void response.writeHead(status, { 'content-type': 'text/html' }).end(body)
}
const json = (status: number, body: string): Answer => {
  return (response) => void response.writeHead(status, { 'content-type': 'application/json' }).end(body)
}

/** What becomes of the reply to a submit that the vendor has read to its end, and may have sold. */
const LOSSES: Readonly<Record<string, Answer>> = {
  'a connection that is reset': (response) => void response.socket?.resetAndDestroy(),
  'half of a reply': (response) =>
    void response
      .writeHead(200, { 'content-type': 'application/json', 'content-length': 500 })
      .write('{"id":"1","status":', () => response.destroy()),
  'HTTP 502 of a proxy': html(502, '<html>Bad Gateway</html>'),
  'HTTP 504 of a proxy': html(504, '<html>Gateway Timeout</html>'),
  'HTTP 524 of a proxy': html(524, '<html>A timeout occurred</html>'),
  'HTTP 500 with an error in JSON': json(500, '{"error":{"message":"no","code":"internal"}}'),
  'HTTP 200 without a body': json(200, ''),
  'HTTP 200 with a page': html(200, '<html>Just a moment</html>'),
  'HTTP 200 with half of its JSON': json(200, '{"id":"1","data":['),
  'HTTP 200 that says nothing': json(200, '{}'),
}
const NAMES = Object.keys(LOSSES)

const providers = providerFolders()
const today = new Date().toISOString().slice(0, 10)
const modelsOf = (provider: string): readonly string[] =>
  Object.entries(readManifest(provider).models).flatMap(([model, { retires_on: end = '9999' }]) => (end > today ? [model] : []))
const howManySell = (model: string): number => providers.filter((provider) => modelsOf(provider).includes(model)).length
/** The one that most others sell too: who falls back would buy it there. */
const modelOf = (provider: string): string => modelsOf(provider).toSorted((left, right) => howManySell(right) - howManySell(left))[0] ?? ''
/** Its tasks have our id, by which a lost one is asked for. */
const isAskedById = (provider: string): boolean => {
  const { declares, shape } = readManifest(provider)
  return declares.recover && shape === undefined
}
const promptOf = (provider: string, loss: string): string => `${provider} loses reply ${NAMES.indexOf(loss)}.`

const bought = new Map<string, Promise<Generation>>()
let gateway: GatewayProcess
let unreached: GatewayProcess
let server: http.Server
/** Orders that came to any vendor, by their prompt: the provider at which each came. */
const orders = new Map<string, string[]>()

/** At Runware a task has our id, and can be asked for: the image is there, and its bill. */
async function found(body: string): Promise<string> {
  const [{ taskUUID }] = JSON.parse(body) as readonly [{ readonly taskUUID: string }]
  const png = await sharp({ create: { width: 1024, height: 1024, channels: 3, background: '#468' } })
    .png()
    .toBuffer()
  const image = { imageUUID: taskUUID, imageURL: `data:image/png;base64,${png.toString('base64')}`, cost: 0.03 }
  return JSON.stringify({ data: [{ taskType: 'imageInference', taskUUID, status: 'success', ...image }] })
}

/** A plain server is every vendor. What names a prompt is an order, and its reply gets lost; whatever else is asked is not known there. */
async function answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
  const body = await text(request)
  const [prompt, , loss] = /([a-z]+) loses reply (\d+)\./.exec(body) ?? []
  const [, provider = '', path = ''] = /^\/at-([a-z]+)(.*)$/.exec(request.url ?? '') ?? []
  if (body.includes('"getResponse"')) return json(200, await found(body))(response)
  if (prompt === undefined || path.endsWith('/pricing')) return json(404, '{}')(response)
  orders.set(prompt, [...(orders.get(prompt) ?? []), provider])
  LOSSES[NAMES[Number(loss)] ?? '']?.(response)
}

const configuration = (address: string): string => {
  const entries = providers.map(
    (id) => `  ${id}: { api_key: a-key-of-${id}-0123, base_url: "http://${address}/at-${id}", max_in_flight: 40 }`,
  )
  return `breaker: { faults: 1000 }\nproviders:\n${entries.join('\n')}\n`
}

beforeAll(async () => {
  server = http.createServer((request, response) => void answer(request, response).catch(() => response.destroy()))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  ;[gateway, unreached] = await Promise.all([
    launchProcess({ providers, config: configuration(`127.0.0.1:${(server.address() as AddressInfo).port}`) }),
    launchProcess({ providers, config: configuration(`127.0.0.1:${await freePort()}`) }),
  ])
  // All at once; each test waits for its own.
  for (const provider of providers) {
    for (const loss of NAMES) buy(gateway, provider, promptOf(provider, loss))
    buy(unreached, provider, unreachedPrompt(provider))
  }
}, 180_000)
afterAll(async () => {
  await Promise.all([gateway.close(), unreached.close()])
  server.closeAllConnections()
  server.close()
})

const unreachedPrompt = (provider: string): string => `${provider} is not there`

/** By the provider first, and by any other that sells the model where the gateway thinks that it may. */
function buy(from: GatewayProcess, provider: string, prompt: string): void {
  const asked = from.generate({ model: modelOf(provider), prompt, provider: { order: [provider] } }, { prefer: 'wait=60' })
  asked.catch(() => {})
  bought.set(prompt, asked)
}

const UNKNOWN = { images: [], cost: { amount: null, basis: 'unknown' }, error: { billed: 'unknown', retryable: false } }
const FOUND = { error: null, cost: { amount: '0.03', basis: 'billed' }, images: [{ width: 1024, height: 1024 }] }

describe.each(providers)('a submit to %s', (provider) => {
  test.each(NAMES)('that it has read, and answers with %s, is sent to nobody again and never said to have cost nothing', async (loss) => {
    const prompt = promptOf(provider, loss)
    const generation = await bought.get(prompt)
    expect(orders.get(prompt)).toEqual([provider])
    expect(generation?.attempts.map((attempt) => attempt.provider)).toEqual([provider])
    expect(generation).toMatchObject(isAskedById(provider) ? FOUND : UNKNOWN)
    expect([undefined, 'outcome_unknown', 'bad_reply', 'provider_unavailable']).toContain(generation?.error?.code)
  })

  test('that cannot connect has cost nothing', async () => {
    const generation = await bought.get(unreachedPrompt(provider))
    expect(generation?.attempts.map(({ provider: asked, error }) => [asked, error?.billed])).toContainEqual([provider, false])
    expect(generation).toMatchObject({ error: { code: 'provider_unavailable', billed: false }, cost: { amount: '0' } })
  })
})
