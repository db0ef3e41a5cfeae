import { useRealSockets } from '../transport/real-sockets.ts'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import sharp from 'sharp'
import { expect, onTestFinished, test } from 'vitest'
import type { Generation } from '#contract'
import { startOverridden } from '../crash/process.ts'
import { ROOT } from '../support/source-tree.ts'
import { connectProxy } from '../transport/loopback.ts'

useRealSockets()

type Answer = (
  url: string,
  body: string,
) => { readonly status?: number; readonly headers?: http.OutgoingHttpHeaders; readonly body: string | Buffer }

interface Served {
  readonly port: number
  readonly visits: readonly string[]
  /** Vendors' keys that came in headers. */
  readonly keys: readonly string[]
}

/** On a port of its own of this address. */
async function serve(address: string, answer: Answer): Promise<Served> {
  const visits: string[] = []
  const keys: string[] = []
  const reply = async (request: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
    const sent = await text(request)
    visits.push(request.url ?? '')
    keys.push(...(JSON.stringify(request.headers).match(/vendor-key-\d+/g) ?? []))
    const { status = 200, headers = {}, body } = answer(request.url ?? '', sent)
    response.writeHead(status, headers).end(body)
  }
  const server = http.createServer((request, response) => void reply(request, response))
  server.listen(0, address)
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, visits, keys }
}

/** What the vendor that links to images, and the one that cannot be read, answer to a submit, by its prompt: `link <url>`, or one of these. */
const UNREADABLE: Readonly<Record<string, () => string>> = {
  'is nested too deep': () => `{"data":${'['.repeat(70)}${']'.repeat(70)}}`,
  'has too many entries': () => JSON.stringify({ data: Array.from({ length: 2_100 }, () => ({ taskType: 'imageInference' })) }),
  'has too much text': () => `{"data":[{"taskType":"imageInference","note":"${'a b '.repeat(1_400_000)}"}]}`,
}

const RUNWARE_KEY = 'vendor-key-0123456'
/** The vendor knows its key, and needs none from a prompt. */
const withKey = (text: string): string => text.replaceAll('ITSKEY', RUNWARE_KEY.toUpperCase()).replaceAll('its~key', RUNWARE_KEY)

/** Names that hold the key and lead inside: what is said of them is cut before the key, at each of its characters, and behind it. */
const NAMES_WITH_KEY = [
  'ITSKEY.internal',
  'its~key.internal',
  ...Array.from({ length: 26 }, (_, index) => `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(36 + index)}.its~key.internal`),
]

/** It sends a submit on where the prompt is `redirect <url>`, and refuses it in the words behind `refuse `. */
function vendorAnswers(body: string): ReturnType<Answer> {
  const words = /"(?:prompt|positivePrompt)":"refuse ([^"]*)"/.exec(body)?.[1]
  if (words !== undefined) {
    const said = withKey(JSON.stringify({ errors: [{ code: words, message: words, parameter: words }], detail: words }))
    return { status: 400, headers: { 'content-type': 'application/json' }, body: said }
  }
  const location = /"(?:prompt|positivePrompt)":"redirect ([^"]*)"/.exec(body)?.[1]
  if (location !== undefined) return { status: 307, headers: { location }, body: '' }
  return { headers: { 'content-type': 'application/json' }, body: vendorSays(body) }
}

function vendorSays(body: string): string {
  const sent = JSON.parse(body) as { readonly prompt: string } | readonly { readonly taskUUID: string; readonly positivePrompt: string }[]
  if ('prompt' in sent && sent.prompt.startsWith('poll '))
    return JSON.stringify({ id: 'a-task', polling_url: sent.prompt.slice('poll '.length) })
  if ('prompt' in sent) return UNREADABLE[sent.prompt]?.() ?? '{}'
  const { taskUUID, positivePrompt = '' } = sent[0] ?? {}
  const imageURL = positivePrompt.replace('link ', '')
  return JSON.stringify({ data: [{ taskType: 'imageInference', taskUUID, imageUUID: taskUUID, imageURL, cost: 0.03, seed: 7 }] })
}

const MOST_IMAGE_BYTES = 1_000_000

/** A public server is 127.0.0.2, which the configuration allows; inside is 127.0.0.1, where the vendor, the proxy and an allowed store are too. */
async function surroundings() {
  const image = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#468' } })
    .jpeg()
    .toBuffer()
  // Each begins as an image does; what it unfolds to has a few kB on its way.
  const large = Buffer.concat([image, Buffer.alloc(5 * MOST_IMAGE_BYTES)])
  const unfolds = gzipSync(large)
  const show: Answer = (url) => {
    if (url.startsWith('/to?'))
      return { status: 302, headers: { location: withKey(decodeURIComponent(url.slice('/to?'.length))) }, body: '' }
    if (url === '/unfolds') return { headers: { 'content-type': 'image/jpeg', 'content-encoding': 'gzip' }, body: unfolds }
    if (url === '/large') return { headers: { 'content-type': 'image/jpeg' }, body: large }
    return { headers: { 'content-type': 'image/jpeg' }, body: image }
  }
  const vendor = await serve('127.0.0.1', (_url, body) => vendorAnswers(body))
  const [shop, store, inside] = [await serve('127.0.0.2', show), await serve('127.0.0.1', show), await serve('127.0.0.1', show)]
  const vendorUrl = `http://127.0.0.1:${vendor.port}`
  const proxy = await connectProxy()
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-strange-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(
    join(folder, 'imagegate.yaml'),
    `breaker: { faults: 1000 }
assets: { max_image_bytes: ${MOST_IMAGE_BYTES} }
network: { allow: ["127.0.0.2/32", "store.direct.test:${store.port}"] }
providers: { runware: { api_key: ${RUNWARE_KEY}, base_url: "${vendorUrl}" }, bfl: { api_key: vendor-key-6543210, base_url: "${vendorUrl}" } }
`,
  )
  const names = (way: string) => ({
    [`steady.${way}.test`]: [['127.0.0.2']],
    [`turning.${way}.test`]: [['127.0.0.2'], ['127.0.0.1']],
    [`both.${way}.test`]: [['127.0.0.2', '127.0.0.1']],
    [`mapped.${way}.test`]: [['::ffff:127.0.0.1']],
    [`store.${way}.test`]: [['127.0.0.1']],
  })
  const keyed = Object.fromEntries(NAMES_WITH_KEY.map((name) => [withKey(name).toLowerCase(), [['127.0.0.1']]]))
  // A name may lead elsewhere in a minute: its image is asked for as long as its link can live.
  const gateway = await startOverridden(
    {
      IMAGEGATE_DATA: join(folder, 'data'),
      IMAGEGATE_CONFIG: join(folder, 'imagegate.yaml'),
      HTTPS_PROXY: proxy.url,
      NO_PROXY: '127.0.0.1,.direct.test,.bfl.ai',
      NODE_OPTIONS: `--import ${pathToFileURL(join(ROOT, 'test/support/odd-names.ts')).href}`,
      ODD_NAMES: JSON.stringify({ ...names('direct'), ...names('proxied'), 'inner.bfl.ai': [['127.0.0.1']], ...keyed }),
    },
    { patience: { linkMs: 1_500, longestLinkMs: 1_500, deadLinkMs: 1_500 } },
  )
  onTestFinished(async () => void (await gateway.kill('SIGKILL')))
  const buy = async (more: object, prefer = 'wait=60'): Promise<Generation> => {
    const body = JSON.stringify({ model: 'runware/flux-2-pro', width: 256, height: 256, ...more })
    const headers = { 'content-type': 'application/json', prefer }
    return (await (await fetch(`${gateway.url}/v1/generations`, { method: 'POST', headers, body })).json()) as Generation
  }
  return { vendor, shop, store, inside, proxy, buy, url: gateway.url, said: gateway.said }
}

const RUNS = { timeout: 60_000 }
test(
  'a gateway reaches nobody inside by a link, a reference or a redirect of a stranger, sends no key along one, and a reply that it cannot read may have been billed',
  RUNS,
  async () => {
    const { vendor, shop, store, inside, proxy, buy, said } = await surroundings()
    const via = (url: string): string => `http://127.0.0.2:${shop.port}/to?${encodeURIComponent(url)}`

    // Allowed: a network, a name with its port, and from the one to the other; past the proxy and through it.
    const storeUrl = `http://store.direct.test:${store.port}/a.jpg`
    const allowed = [
      `http://steady.direct.test:${shop.port}/a.jpg`,
      `http://steady.proxied.test:${shop.port}/a.jpg`,
      storeUrl,
      via(storeUrl),
    ]
    const delivered = await Promise.all(allowed.map((url) => buy({ prompt: `link ${url}` })))
    expect(delivered.map(({ status, error }) => [status, error])).toEqual(allowed.map(() => ['succeeded', null]))
    expect(new Set(proxy.asked)).toEqual(new Set([`127.0.0.2:${shop.port}`]))

    const direct = [
      ...['127.0.0.1', '[::1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '2130706433', '127.1', 'localhost'].map(
        (host) => `http://${host}:${inside.port}/`,
      ),
      `http://127.0.0.1:${store.port}/`,
      `http://store.direct.test:${inside.port}/`,
      ...['direct', 'proxied'].flatMap((way) => [
        `http://both.${way}.test:${inside.port}/`,
        `http://mapped.${way}.test:${inside.port}/`,
        // Public when it is asked first, and private when it sends on to itself.
        `http://turning.${way}.test:${shop.port}/to?${encodeURIComponent(`http://turning.${way}.test:${inside.port}/`)}`,
      ]),
      `http://store.proxied.test:${store.port}/`,
    ]
    const hostile = direct.flatMap((url) => [url, via(url), via(via(url))])
    const before = store.visits.length
    const ends = await Promise.all(hostile.map((url) => buy({ prompt: `link ${url}` })))
    const reached = ends.flatMap(({ status, error }, index) =>
      status === 'failed' && error?.code === 'bad_reply' && error.billed === true ? [] : [`${hostile[index]}: ${status} ${error?.code}`],
    )
    expect(reached).toEqual([])
    for (const { error } of ends) expect(error?.message).not.toMatch(/127\.0\.0\.1:\d+ is/)
    await Promise.all(
      direct.map((url) => buy({ prompt: `link http://steady.direct.test:${shop.port}/a.jpg`, reference_images: [via(url)] })),
    )
    expect([inside.visits, store.visits.length]).toEqual([[], before])
    expect(new Set(proxy.asked)).toEqual(new Set([`127.0.0.2:${shop.port}`]))

    // A vendor’s key goes to the vendor alone: a submit that is sent on is not sent there.
    for (const model of ['runware/flux-2-pro', 'bfl/flux-2-pro']) {
      const { status, attempts } = await buy({ model, prompt: `redirect http://steady.direct.test:${shop.port}/submit` })
      expect([model, status, attempts.length]).toEqual([model, 'failed', 1])
    }
    expect(shop.visits).not.toContain('/submit')
    expect([new Set(vendor.keys), shop.keys, store.keys]).toEqual([new Set(['vendor-key-0123456', 'vendor-key-6543210']), [], []])

    // Nor does it go to a name of the vendor's manifest that leads inside: the connection is refused before anything is said.
    await buy({ model: 'bfl/flux-2-pro', prompt: 'poll https://inner.bfl.ai/v1/get_result?id=a-task' }, 'respond-async')
    await expect
      .poll(said, { timeout: 10_000 })
      .toMatch(/"host":"inner\.bfl\.ai","outcome":"refused","reason":"inner\.bfl\.ai is not at a public address"/)
    expect(proxy.asked.some((target) => target.endsWith(':443'))).toBe(false)

    // Three redirects are followed and not a fourth; what is too large, or unfolds to it, is paid and final at once.
    const [third, fourth] = ['third', 'fourth'].map((name) => `http://127.0.0.2:${shop.port}/${name}.jpg`) as [string, string]
    expect((await buy({ prompt: `link ${via(via(via(third)))}` })).status).toBe('succeeded')
    const hop = via(via(via(fourth)))
    const endless = await buy({ prompt: `link ${via(hop)}` }, 'respond-async')
    await expect
      .poll(() => shop.visits.filter((path) => path === new URL(via(hop)).pathname + new URL(via(hop)).search).length)
      .toBeGreaterThan(1)
    expect([endless.status, shop.visits.includes('/fourth.jpg')]).toEqual(['running', false])
    for (const path of ['unfolds', 'large']) {
      const { error } = await buy({ prompt: `link http://127.0.0.2:${shop.port}/${path}` })
      expect([path, error?.code, error?.billed]).toEqual([path, 'bad_reply', true])
    }

    // A reply that is not read may have been paid for; nothing is bought a second time for it.
    for (const prompt of Object.keys(UNREADABLE)) {
      const submits = vendor.visits.length
      const { status, error, cost, attempts } = await buy({ model: 'bfl/flux-2-pro', prompt })
      expect([prompt, status, error?.code, error?.billed]).toEqual([prompt, 'failed', 'bad_reply', 'unknown'])
      expect([cost.basis, cost.amount, attempts.length, vendor.visits.length - submits]).toEqual(['unknown', null, 1, 1])
    }
  },
)

test(
  'a vendor’s key is in nothing that is said of a refusal or a link that failed, in any case and wherever the words are cut',
  RUNS,
  async () => {
    const { shop, buy, url, said } = await surroundings()
    const key = 'its~key'
    const via = (to: string): string => `link http://127.0.0.2:${shop.port}/to?${encodeURIComponent(to)}`
    const links = [`${key}://x`, `http://${key}@x/`, ...NAMES_WITH_KEY.map((name) => `http://${name}/`)].map(via)
    const refusals = Array.from({ length: 30 }, (_, index) => `refuse ${'w '.repeat(237)}${'x'.repeat(index)}${key} w`)
    const ends = await Promise.all([...links, ...refusals].map((prompt) => buy({ prompt }, 'wait=60')))
    expect(ends.map(({ status }) => status)).toEqual(ends.map(() => 'failed'))
    const calls = await Promise.all(ends.map(async ({ id }) => (await fetch(`${url}/v1/generations/${id}/attempts/1/calls`)).text()))
    const all = [...ends.map((end) => JSON.stringify(end)), ...calls, said()]
    expect(all.filter((text) => text.includes('[redacted]')).length).toBeGreaterThan(30)
    // Not even eight of its characters in a row.
    const parts = Array.from({ length: RUNWARE_KEY.length - 7 }, (_, at) => RUNWARE_KEY.slice(at, at + 8))
    const found = all.flatMap((text) =>
      parts.flatMap((part) => (text.toLowerCase().includes(part) ? [`${part}: ${text.slice(0, 200)}`] : [])),
    )
    expect(found).toEqual([])
  },
)
