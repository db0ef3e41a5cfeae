import type { LookupFunction } from 'node:net'
import nock from 'nock'
import { afterEach, describe, expect, test } from 'vitest'
import type { Call, FormPart, Provider } from '#contract'
import { Secret } from '../../src/transport/secret.ts'
import { createTransport } from '../../src/transport/index.ts'
import { readCase, replyOf, storiesOf, textOf, type Case, type RecordedReply } from '../support/case-files.ts'
import { loadProviders } from '../support/installed-providers.ts'
import { playCase, type Send } from '../support/play-case.ts'

const CANARY = 'canary-7f3a91-key'

const providers = await loadProviders()
const play = (story: Case, provider: Provider, send: Send) => playCase(story, provider, providers, send)

const recorded = (story: Case, index: number): RecordedReply => {
  const reply = story.steps[index]?.reply
  if (reply === undefined) throw new Error(`there is no reply ${index + 1}`)
  return reply
}

/** What arrived at the vendor. */
interface Arrival {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly form: readonly FormPart[]
}

/** A form as any parser reads it. */
async function formOf(request: Request): Promise<readonly FormPart[]> {
  if (!request.headers.get('content-type')?.startsWith('multipart/form-data')) return []
  const parts = [...(await request.clone().formData())].map(async ([name, value]): Promise<FormPart> => {
    if (typeof value === 'string') return { name, value }
    return { name, filename: value.name, mediaType: value.type, base64: Buffer.from(await value.arrayBuffer()).toString('base64') }
  })
  return Promise.all(parts)
}

/** A vendor on the wire that answers one call, whatever is in it, at the host the call names; what arrived is noted. */
function answerOnce(call: Call, reply: RecordedReply, { manifest }: Provider, arrivals: Arrival[]): void {
  const url = new URL(call.url, manifest.base_url)
  const interceptor = nock(url.origin).intercept(`${url.pathname}${url.search}`, call.method)
  interceptor.reply(async (request: Request) => {
    const form = await formOf(request)
    const { method, url: called, headers } = request
    arrivals.push({ method, url: called, headers: Object.fromEntries(headers), body: await request.text(), form })
    if ('lost' in reply) throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
    return [reply.status, textOf(reply), { 'content-type': 'application/json', ...reply.headers }]
  })
}

/** A public address for every name, so that no name is ever resolved. */
const anyName: LookupFunction = (_host, options, callback) =>
  options.all === true ? callback(null, [{ address: '203.0.114.7', family: 4 }]) : callback(null, '203.0.114.7', 4)

const connect = ({ id, manifest }: Provider) =>
  createTransport({
    providers: [{ id, manifest, baseUrl: manifest.base_url, apiKey: new Secret(CANARY) }],
    allow: [],
    lookup: anyName,
  })

/** The key is in the header that the manifest names, and nowhere else in what was sent. */
function expectKeyOnlyInItsHeader({ headers, url, body }: Arrival, { manifest }: Provider): void {
  const { header, scheme } = manifest.auth
  expect(headers[header]).toBe(scheme === undefined ? CANARY : `${scheme} ${CANARY}`)
  const elsewhere = Object.entries(headers).filter(([name, value]) => name !== header && value.includes(CANARY))
  expect(elsewhere).toEqual([])
  expect(`${url} ${body}`).not.toContain(CANARY)
}

/** The absolute URL that a step calls. */
const urlOf = ({ manifest }: Provider, story: Case, index: number): string =>
  new URL(story.steps[index]?.call.url ?? '', manifest.base_url).href

afterEach(() => nock.cleanAll())

describe.each(providers)('the stories of $id', (provider) => {
  const stories = storiesOf(provider.id)

  test('are at least one', () => {
    expect(stories.length).toBeGreaterThan(0)
  })

  test.for(stories)('%s, as pure functions', async (name) => {
    const story = readCase(provider.id, name)
    const { outcome, calls } = await play(story, provider, async (_, index) =>
      replyOf(recorded(story, index), urlOf(provider, story, index)),
    )
    expect(outcome, 'the outcome').toEqual(story.outcome)
    expect(calls, 'every step of the file is used').toBe(story.steps.length)
  })

  test.for(stories)('%s, on the wire', async (name) => {
    const story = readCase(provider.id, name)
    const transport = connect(provider)
    const arrivals: Arrival[] = []
    const send: Send = async (call, index) => {
      const reply = recorded(story, index)
      answerOnce(call, reply, provider, arrivals)
      const sent = await transport.send(provider.id, call, 5_000)
      if ('lost' in reply) {
        expect(sent.kind).toBe('lost')
        return null
      }
      if (sent.kind !== 'reply') throw new Error(`call ${index + 1} was ${sent.kind}: ${sent.reason}`)
      return sent.reply
    }
    try {
      const { outcome } = await play(story, provider, send)
      expect(outcome, 'the outcome').toEqual(story.outcome)
      expect(JSON.stringify(outcome)).not.toContain(CANARY)
    } finally {
      await transport.close()
    }
    expect(arrivals).toHaveLength(story.steps.length)
    for (const [index, arrival] of arrivals.entries()) {
      const call = story.steps[index]?.call
      expect(arrival.method).toBe(call?.method)
      expect(arrival.url).toBe(new URL(call?.url ?? '', provider.manifest.base_url).href)
      if (call?.form === undefined) expect(arrival.body === '' ? undefined : JSON.parse(arrival.body)).toEqual(call?.body)
      else expect(arrival.form).toEqual(call.form)
      expectKeyOnlyInItsHeader(arrival, provider)
    }
  })
})
