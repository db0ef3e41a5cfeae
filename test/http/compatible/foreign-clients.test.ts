import { createBlackForestLabs } from '@ai-sdk/black-forest-labs'
import { createOpenAI } from '@ai-sdk/openai'
import { DallEAPIWrapper } from '@langchain/openai'
import { createRunware } from '@runware/ai-sdk-provider'
import { generateImage } from 'ai'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { json } from '../../e2e/gateway.ts'
import { launchProcess } from '../../e2e/gateway-process.ts'
import type { Gateway } from '../../e2e/gateway.ts'

let gateway: Gateway
let local: string
beforeAll(async () => {
  gateway = await launchProcess({ config: 'models: { gpt-image-1: { model: flux-2-pro }, dall-e-3: { model: flux-2-pro } }\n' })
  local = gateway.url.replace('127.0.0.1', 'localhost')
})
afterAll(() => gateway.close())

const begun = async (prompt: string): Promise<readonly Generation[]> =>
  (await json<{ data: Generation[] }>(await gateway.ask('/v1/generations?limit=100'))).data.filter((one) => one.request.prompt === prompt)

describe('a gateway that is asked as localhost', () => {
  test('answers with links to localhost, whichever API is asked, events included', async () => {
    const post = (path: string, body: unknown, headers = {}) =>
      fetch(`${local}${path}`, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) })
    const own = (await (await post('/v1/generations', { model: 'flux-2-pro', prompt: 'own' })).json()) as Generation
    expect(own.images[0]?.url.startsWith(local)).toBe(true)
    const openai = (await (await post('/v1/images/generations', { model: 'flux-2-pro', prompt: 'openai' })).json()) as {
      data: { url: string }[]
    }
    expect(openai.data[0]?.url.startsWith(local)).toBe(true)
    const bfl = (await (await post('/bfl/v1/flux-2-pro', { prompt: 'bfl' })).json()) as { id: string; polling_url: string }
    expect(bfl.polling_url.startsWith(local)).toBe(true)
    const events = await (await fetch(`${local}/v1/generations/${bfl.id}/events`)).text()
    expect(events).toContain(`${local}/v1/images/`)
    expect(events).not.toContain(`${gateway.url}/v1/images/`)
    const same = (await (await gateway.ask(`/v1/generations/${own.id}`)).json()) as Generation
    expect(same.images[0]?.url.startsWith(gateway.url)).toBe(true)
  })

  test('serves AI SDK clients, which refuse links to another host than the one they asked', async () => {
    const bfl = createBlackForestLabs({ apiKey: 'any', baseURL: `${local}/bfl/v1`, pollIntervalMillis: 20 })
    const { image } = await generateImage({ model: bfl.image('flux-2-pro'), prompt: 'a lighthouse', size: '512x512' })
    expect(await sharp(image.uint8Array).metadata()).toMatchObject({ width: 512, height: 512 })
  })
})

describe('OpenAI clients that name a model of OpenAI’s', () => {
  test('an alias called gpt-image-1 delivers bytes to the AI SDK, which asks for none', async () => {
    const openai = createOpenAI({ baseURL: `${local}/v1`, apiKey: 'any' })
    const { image } = await generateImage({ model: openai.image('gpt-image-1'), prompt: 'a lighthouse', size: '1024x1024' })
    expect(await sharp(image.uint8Array).metadata()).toMatchObject({ width: 1024, height: 1024 })
  })

  test('LangChain’s DallEAPIWrapper gets a link or bytes, as it asks', async () => {
    const options = { apiKey: 'any', model: 'dall-e-3', size: '1024x1024' as const, baseUrl: `${local}/v1` }
    const url = (await new DallEAPIWrapper(options).invoke('a lighthouse')) as string
    expect((await fetch(url)).headers.get('content-type')).toMatch(/^image\//)
    const bytes = (await new DallEAPIWrapper({ ...options, dallEResponseFormat: 'b64_json' }).invoke('a lighthouse')) as string
    expect(await sharp(Buffer.from(bytes, 'base64')).metadata()).toMatchObject({ width: 1024 })
  })
})

describe('@runware/ai-sdk-provider', () => {
  const runware = () => createRunware({ apiKey: 'any', baseURL: `${local}/runware/v1` })

  test('gets an image where no seed is named', async () => {
    const { image } = await generateImage({ model: runware().image('bfl:5@1'), prompt: 'a lighthouse at noon', size: '512x512' })
    expect(await sharp(image.uint8Array).metadata()).toMatchObject({ width: 512, height: 512 })
    expect(await begun('a lighthouse at noon')).toHaveLength(1)
  })

  test('sees a refused task as an HTTP error, once', async () => {
    const refused = generateImage({ model: runware().image('bfl:5@1'), prompt: 'a brawl sandbox:moderated', size: '512x512' })
    await expect(refused).rejects.toMatchObject({ statusCode: 400 })
    expect(await begun('a brawl sandbox:moderated')).toHaveLength(1)
  })
})

describe('BFL’s own quick start', () => {
  test('polls polling_url and adds the id once more, as its sample code does', async () => {
    const headers = { accept: 'application/json', 'x-key': 'any', 'content-type': 'application/json' }
    const submitted = await fetch(`${local}/bfl/v1/flux-2-pro`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ prompt: 'a cat on its back legs' }),
    })
    const { id, polling_url } = (await submitted.json()) as { id: string; polling_url: string }
    await expect
      .poll(
        async () => {
          const url = new URL(polling_url)
          url.searchParams.append('id', id)
          const result = (await (await fetch(url, { headers })).json()) as { status: string; result?: { sample: string } }
          return result.status === 'Ready' && (await fetch(result.result?.sample ?? '')).status
        },
        { timeout: 10_000 },
      )
      .toBe(200)
  })

  test('refuses two ids that are not the same', async () => {
    const reply = await fetch(`${local}/bfl/v1/get_result?id=one&id=two`, { headers: { 'x-key': 'any' } })
    expect(reply.status).toBe(422)
  })
})
