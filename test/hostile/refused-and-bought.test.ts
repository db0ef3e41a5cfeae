import { useRealSockets } from '../transport/real-sockets.ts'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import sharp from 'sharp'
import { expect, test } from 'vitest'
import type { Generation } from '#contract'
import { gatewayWith, listening } from '../support/for-one-test.ts'

useRealSockets()

/** Each vendor takes the order and answers it with the status that stands in the prompt, which is that of a refusal. */
const ACCEPTED: readonly (readonly [RegExp, (base: string, image: Buffer) => object])[] = [
  [/^\/v1\/flux-2-pro$/, (base) => ({ id: 'a-task', polling_url: `${base}/bfl-task`, cost: 3 })],
  [/^\/bfl-task$/, (base) => ({ id: 'a-task', status: 'Ready', result: { sample: `${base}/image.jpg` }, cost: 3 })],
  [
    /^\/fal-ai\//,
    (base) => ({ request_id: 'a-task', status: 'IN_QUEUE', status_url: `${base}/fal-task`, response_url: `${base}/fal-result` }),
  ],
  [/^\/fal-task$/, (base) => ({ request_id: 'a-task', status: 'COMPLETED', response_url: `${base}/fal-result` })],
  [/^\/fal-result$/, (base) => ({ images: [{ url: `${base}/image.jpg` }] })],
  [/^\/model\/v1\/generation$/, () => ({ id: 'a-task', status: 'in_progress' })],
  [
    /^\/model\/v1\/generation\/task\//,
    (base) => ({
      id: 'a-task',
      status: 'completed',
      output: [{ content: [{ type: 'image', url: `${base}/image.jpg` }] }],
      usage: { cost: '0.03' },
    }),
  ],
  [/^\/v1\/models\/black-forest-labs\//, (base) => ({ id: 'a-task', status: 'starting', urls: { get: `${base}/replicate-task` } })],
  [/^\/replicate-task$/, (base) => ({ id: 'a-task', status: 'succeeded', output: `${base}/image.jpg` })],
  [/^\/(?:relay|another)\/v1\/images\/generations$/, (base) => ({ data: [{ url: `${base}/image.jpg` }], usage: { cost: 0.03 } })],
  [
    /:generateContent$/,
    (_base, image) => ({
      candidates: [{ content: { parts: [{ inlineData: { mimeType: 'image/jpeg', data: image.toString('base64') } }] } }],
    }),
  ],
]

async function vendors(): Promise<{ readonly url: string; readonly submits: string[] }> {
  const submits: string[] = []
  const image = await sharp({ create: { width: 1024, height: 1024, channels: 3, background: '#468' } })
    .jpeg()
    .toBuffer()
  const reply = async (request: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
    const { method, url = '' } = request
    const body = await text(request)
    if (method === 'POST') submits.push(url)
    if (url === '/image.jpg') return void response.writeHead(200, { 'content-type': 'image/jpeg' }).end(image)
    const status = method === 'POST' ? Number(/refused with (\d+)/.exec(body)?.[1] ?? 200) : 200
    const said = ACCEPTED.find(([path]) => path.test(url))?.[1](`http://127.0.0.1:${(server.address() as AddressInfo).port}`, image)
    response.writeHead(said ? status : 404, { 'content-type': 'application/json' }).end(JSON.stringify(said ?? { detail: url }))
  }
  const server = http.createServer((request, response) => void reply(request, response))
  return { url: await listening(server), submits }
}

const OWN = ['bfl', 'fal', 'vtrix', 'replicate', 'gemini'] as const

async function gatewayBefore(url: string): Promise<string> {
  const sold = ['flux-2-pro', 'gemini-2.5-flash-image'].map((model) => `${model}: { provider_model: x, price: { per_image: "0.03" } }`)
  const relay = (name: string) =>
    `  ${name}: { shape: openai-images, base_url: "${url}/${name}", api_key: vendor-key-0123456, models: { ${sold.join(', ')} } }\n`
  const own = OWN.map((id) => `  ${id}: { api_key: vendor-key-0123456, base_url: "${url}" }\n`)
  const config = `network: { allow: ["127.0.0.0/8"] }\nproviders:\n${own.join('')}${relay('relay')}${relay('another')}`
  return (await gatewayWith(config)).url
}

test('a submit that is answered with the status of a refusal, and with the task or the image all the same, is kept and bought nowhere else', async () => {
  const { url, submits } = await vendors()
  const gateway = await gatewayBefore(url)
  for (const provider of [...OWN, 'relay']) {
    // One that limits the rate comes last: no more is sent to it for a while.
    for (const status of [400, 409, 422, 503, 429]) {
      submits.splice(0)
      const model = provider === 'gemini' ? 'gemini-2.5-flash-image' : 'flux-2-pro'
      const body = { model, prompt: `refused with ${status}`, provider: { order: [provider, 'another'], only: [provider, 'another'] } }
      const headers = { 'content-type': 'application/json', prefer: 'wait=60' }
      const reply = await fetch(`${gateway}/v1/generations`, { method: 'POST', headers, body: JSON.stringify(body) })
      const { status: end, provider: by, attempts } = (await reply.json()) as Generation
      expect({ provider, status, end, by, tries: attempts.length, submits: submits.length }).toEqual({
        provider,
        status,
        end: 'succeeded',
        by: provider,
        tries: 1,
        submits: 1,
      })
    }
  }
}, 120_000)
