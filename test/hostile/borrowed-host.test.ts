import { useRealSockets } from '../transport/real-sockets.ts'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request as ask } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { json, text } from 'node:stream/consumers'
import { expect, test, vi } from 'vitest'
import type { Generation } from '#contract'
import { gatewayWith, listening } from '../support/for-one-test.ts'
import type { ServerProcess } from '../crash/process.ts'

useRealSockets()

const HOOKS = 5
const KEYS = { own: 'the-key-of-the-owner', another: 'the-key-of-another' } as const

test('links in a webhook carry the host that its own caller asked, whoever asks for what meanwhile by another', async () => {
  const receiver = await receiverThatRefusesTwice()
  const { url } = await gateway()
  const post = async (key: string, host: string, prompt: string, hook: string): Promise<void> => {
    const headers = { host, authorization: `Bearer ${key}`, 'content-type': 'application/json' }
    const sent = ask(`${url}/v1/generations`, { method: 'POST', headers })
    sent.end(JSON.stringify({ model: 'flux-2-pro', prompt, width: 256, height: 256, webhook: { url: `${receiver.url}/${hook}` } }))
    const [reply] = (await once(sent, 'response')) as Parameters<typeof text>
    await text(reply)
  }
  for (let index = 0; index < HOOKS; index += 1) await post(KEYS.own, 'own.example', `mine ${index}`, `own-${index}`)
  const end = Date.now() + 40_000
  for (let index = 0; receiver.linksOf('own-').length < 3 * HOOKS && Date.now() < end; index += 1)
    await post(KEYS.another, 'another.example', `theirs ${index}`, `another-${index}`)
  // Theirs may still be on their way.
  await vi.waitFor(() => expect(receiver.linksOf('another-')).not.toEqual([]), { timeout: 20_000 })
  const hosts = (name: string) => new Set(receiver.linksOf(name).map((link) => new URL(link).host))
  expect(receiver.linksOf('own-')).toHaveLength(3 * HOOKS)
  expect([[...hosts('own-')], [...hosts('another-')]]).toEqual([['own.example'], ['another.example']])
}, 90_000)

/** What it is sent of the owner's it takes at the third try. */
async function receiverThatRefusesTwice() {
  const links: { readonly path: string; readonly link: string }[] = []
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { data } = (await json(request)) as { readonly data: Generation }
    const path = (request.url ?? '').slice(1)
    links.push({ path, link: data.images[0]?.url ?? '' })
    const isOver = !path.startsWith('own-') || links.filter((one) => one.path === path).length === 3
    response.writeHead(isOver ? 204 : 500).end()
  }
  const server = createServer((request, response) => void take(request, response))
  return {
    url: await listening(server),
    linksOf: (name: string) => links.filter(({ path }) => path.startsWith(name)).map(({ link }) => link),
  }
}

function gateway(): Promise<ServerProcess> {
  const keys = Object.entries(KEYS).map(([name, key]) => `{ name: ${name}, key_hash: ${createHash('sha256').update(key).digest('hex')} }`)
  return gatewayWith(`keys: [${keys.join(', ')}]\nnetwork: { allow: ["127.0.0.0/8"] }\n`, {
    providers: ['bfl'],
    sandboxTypicalMs: 20,
    webhookDelaysMs: [300, 300, 300],
  })
}
