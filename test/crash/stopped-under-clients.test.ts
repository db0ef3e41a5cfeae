import { once } from 'node:events'
import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { createOpenAI } from '@ai-sdk/openai'
import { generateImage } from 'ai'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../support/free-port.ts'
import { startProcess } from './process.ts'
import { startVendors } from './vendors.ts'
import type { Vendors } from './vendors.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

let vendors: Vendors
beforeAll(async () => {
  vendors = await startVendors({ providers: ['bfl'], typicalMs: 6_000 })
})
afterAll(() => vendors.close())

/** Each as its makers ship it, with its own repetitions. */
const CLIENTS: Readonly<Record<string, (url: string) => Promise<unknown>>> = {
  'the Vercel AI SDK, which does not read x-should-retry': (url) =>
    generateImage({
      model: createOpenAI({ baseURL: `${url}/v1`, apiKey: 'any' }).image('flux-2-pro'),
      prompt: 'a lighthouse',
      size: '512x512',
    }),
  'OpenAI’s SDK, which reads events': async (url) => {
    const request = { model: 'flux-2-pro', prompt: 'a lighthouse', size: '512x512', stream: true } as const
    const events = await new OpenAI({ baseURL: `${url}/v1`, apiKey: 'any' }).images.generate(request)
    for await (const { type } of events) if (type === 'image_generation.completed') return
  },
  'OpenAI’s SDK': (url) =>
    new OpenAI({ baseURL: `${url}/v1`, apiKey: 'any' }).images.generate({ model: 'flux-2-pro', prompt: 'a lighthouse', size: '512x512' }),
}

describe('a gateway that is stopped and started again in the middle of a purchase', () => {
  test.each(Object.entries(CLIENTS))('has it bought once by %s', { timeout: 60_000 }, async (_name, ask) => {
    const folder = vendors.folder()
    // Behind the restart the client finds it at the same address.
    const environment = { ...folder.environment, PORT: String(await freePort()) }
    const server = await startProcess(environment)
    const before = vendors.submits('bfl')
    const answer = ask(server.url).then(
      () => 'an image',
      (error: unknown) => (error as Error).message,
    )
    while (vendors.submits('bfl') === before) await new Promise((resolve) => setTimeout(resolve, 50))
    expect(await server.kill('SIGTERM')).toBe('0')
    const next = await startProcess(environment)
    const said = await answer
    const { data } = (await (await fetch(`${next.url}/v1/generations`)).json()) as { readonly data: readonly { readonly id: string }[] }
    expect(vendors.submits('bfl') - before).toBe(1)
    expect(data).toHaveLength(1)
    expect(said).toContain(data[0]?.id)
    await next.kill('SIGTERM')
    folder.remove()
  })

  test('answers a request whose body ends while it stops: what is accepted is named', { timeout: 60_000 }, async () => {
    const folder = vendors.folder()
    const server = await startProcess(folder.environment)
    // Another's submit keeps the gateway for seconds.
    vendors.front('bfl').treat = ({ purpose, body }) =>
      purpose === 'submit' && body.includes('slow') ? { kind: 'slow', ms: 6_000 } : { kind: 'pass' }
    const before = vendors.submits('bfl')
    const headers = { 'content-type': 'application/json' }
    const other = fetch(`${server.url}/v1/generations`, { method: 'POST', headers, body: '{"model":"flux-2-pro","prompt":"slow"}' })
    while (vendors.submits('bfl') === before) await new Promise((resolve) => setTimeout(resolve, 50))
    const late = request(`${server.url}/v1/images/generations`, { method: 'POST', headers })
    const answered = once(late, 'response') as Promise<[IncomingMessage]>
    late.write('{"model":"flux-2-pro",')
    await new Promise((resolve) => setTimeout(resolve, 300))
    const stopped = server.kill('SIGTERM')
    setTimeout(() => late.end('"prompt":"late"}'), 2_300)
    const [answer] = await answered
    expect(answer.statusCode).toBe(424)
    expect(await text(answer)).toContain(String(answer.headers['x-imagegate-generation-id']))
    expect((await other).status).toBe(202)
    await stopped
    folder.remove()
  })
})
