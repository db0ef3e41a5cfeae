import http from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { listening } from './for-one-test.ts'

export interface OddReply {
  readonly status?: number
  readonly body: object
}

/** A vendor until the test has ended, whose answers to what it was sent (and where) the test makes; `base` is its own address. */
export async function startOddVendor(answer: (sent: string, url: string, base: string) => OddReply | Promise<OddReply>): Promise<string> {
  let base = ''
  async function reply(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status = 200, body } = await answer(await text(request), request.url ?? '', base)
    const isImage = Buffer.isBuffer(body)
    response.writeHead(status, { 'content-type': isImage ? 'image/jpeg' : 'application/json' }).end(isImage ? body : JSON.stringify(body))
  }
  base = await listening(http.createServer((request, response) => void reply(request, response)))
  return base
}

/** A line of `providers` in a configuration: a relay that sells one model under its own name at this price. */
export const relayEntry = (id: string, url: string, price: string): string =>
  `  ${id}: { shape: openai-images, api_key: a-key-0123456, base_url: "${url}", models: { flux-2-pro: { provider_model: ${id}, price: { per_image: "${price}" }, limits: { n: { max: 4 } } } } }\n`
