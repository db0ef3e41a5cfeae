import http from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { listening } from './for-one-test.ts'

export interface OddReply {
  readonly status?: number
  /** A text is sent as events. */
  readonly body: object | string
}

/** A vendor until the test has ended, whose answers to what it was sent (and where) the test makes; `base` is its own address. */
export async function startOddVendor(answer: (sent: string, url: string, base: string) => OddReply | Promise<OddReply>): Promise<string> {
  let base = ''
  async function reply(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status = 200, body } = await answer(await text(request), request.url ?? '', base)
    const type = Buffer.isBuffer(body) ? 'image/jpeg' : typeof body === 'string' ? 'text/event-stream' : 'application/json'
    response
      .writeHead(status, { 'content-type': type })
      .end(Buffer.isBuffer(body) || typeof body === 'string' ? body : JSON.stringify(body))
  }
  base = await listening(http.createServer((request, response) => void reply(request, response)))
  return base
}

/** A line of `providers` in a configuration: a relay that sells one model under its own name at this price. */
export const relayEntry = (id: string, url: string, price: string, more = ''): string =>
  `  ${id}: { shape: openai-images, api_key: a-key-0123456, base_url: "${url}"${more}, models: { flux-2-pro: { provider_model: ${id}, price: { per_image: "${price}" }, limits: { n: { max: 4 } } } } }\n`
