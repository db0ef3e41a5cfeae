import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import sharp from 'sharp'

export const RELAY_KEY = 'relay-key-1234567890'

/** What the relay was sent, and took money for. */
export interface Bought {
  readonly path: string
  readonly body: Readonly<Record<string, unknown>>
}

export interface StrictRelay {
  readonly url: string
  readonly bought: readonly Bought[]
  close(): void
}

/** The only fields its pages name. */
const FIELDS = new Set(['model', 'prompt', 'size', 'n'])
const PATHS = new Set(['/v1/images/generations', '/openai/v1/images/generations'])

/**
 * A relay as its own pages describe it: a closed schema, a bearer key, images in base64 or by link, the charge in `usage.cost`. It knows
 * nothing of imagegate. A prompt with `lost` is bought and its reply cut off; one with `held` is bought and never answered.
 */
export async function startStrictRelay(): Promise<StrictRelay> {
  const bought: Bought[] = []
  const server = createServer((request, response) => void answer(request, response, bought))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, bought, close }
}

async function answer(request: IncomingMessage, response: ServerResponse, bought: Bought[]): Promise<void> {
  const say = (status: number, body: object) =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  const refuse = (status: number, code: string) => say(status, { error: { message: code, type: 'invalid_request_error', code } })
  const { url: path = '' } = request
  if (request.method !== 'POST' || !PATHS.has(path)) return refuse(404, 'not_found')
  if (request.headers.authorization !== `Bearer ${RELAY_KEY}`) return refuse(401, 'invalid_api_key')
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>
  const unknown = Object.keys(body).filter((name) => !FIELDS.has(name))
  const size = /^(\d+)x(\d+)$/.exec(typeof body['size'] === 'string' ? body['size'] : '1024x1024')
  if (unknown.length > 0 || size === null || typeof body['prompt'] !== 'string') return refuse(400, `unknown_parameter ${unknown.join()}`)
  if (body['model'] !== 'flux.2-pro') return refuse(404, 'model_not_found')
  bought.push({ path, body })
  if (body['prompt'].includes('held')) return
  if (body['prompt'].includes('lost')) return void response.destroy()
  const png = await sharp({ create: { width: Number(size[1]), height: Number(size[2]), channels: 3, background: '#468' } })
    .png()
    .toBuffer()
  say(200, { created: 1, data: [{ b64_json: png.toString('base64') }], usage: { cost: 0.021 } })
}
