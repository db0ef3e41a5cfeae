import { connect } from 'node:net'
import type { Socket } from 'node:net'

/** One gateway, and the key of the hostile caller that it knows. */
export interface Target {
  readonly url: string
  readonly key: string
  /** Connections that stay open until the round is over. */
  readonly sockets: Socket[]
}

type Attack = (target: Target) => Promise<unknown>

const MEGABYTE = 1_000_000
const JUNK = 'a'.repeat(4 * MEGABYTE)
const DEEP = '['.repeat(MEGABYTE / 2)
const FILTERS = Array.from({ length: 80 }, (_, index) => `metadata.k${index}=v`).join('&')
/** Begins as a PNG does, and is none. */
const NO_IMAGE = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.alloc(3 * MEGABYTE, 7)]).toString('base64')
const HEAD = ' HTTP/1.1\r\nhost: 127.0.0.1\r\n'
const UPGRADE =
  'connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'

const auth = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}`, 'content-type': 'application/json' })
const post = async (url: string, path: string, body: string, headers: Readonly<Record<string, string>>): Promise<string> =>
  (await fetch(url + path, { method: 'POST', headers, body })).text()

const quote =
  (body: string): Attack =>
  ({ url, key }) =>
    post(url, '/v1/quotes', body, auth(key))
const vendorSays =
  (story: string): Attack =>
  ({ url, key }) =>
    post(url, '/v1/generations', `{"model":"runware/flux-2-pro","prompt":"hostile:${story}"}`, { ...auth(key), prefer: 'respond-async' })
const say =
  (text: string): Attack =>
  async ({ url, sockets }) => {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname).on('error', () => {})
    sockets.push(socket)
    socket.resume().write(text)
  }

/** Each is as frequent as the others. */
export const ATTACKS: Readonly<Record<string, Attack>> = {
  'an unknown key': ({ url }) => post(url, '/v1/generations', '{}', auth('an-unknown-key')),
  '4 MB to nowhere, without a key': ({ url }) => post(url, '/nope', JUNK, {}),
  'a prompt of 4 MB': quote(JSON.stringify({ model: 'flux-2-pro', prompt: JUNK })),
  'JSON nested 500,000 deep': quote(DEEP),
  'a reference of 4 MB in base64 that is no image': quote(
    JSON.stringify({ model: 'flux-2-pro', prompt: 'a', reference_images: [`data:image/png;base64,${NO_IMAGE}`] }),
  ),
  'the beginning of a body, then nothing': say(`POST /runware/v1${HEAD}content-type: application/json\r\ncontent-length: 60000\r\n\r\n[`),
  'a connection that says nothing': say(''),
  'a WebSocket without a key': say(`GET /runware/v1${HEAD}${UPGRADE}`),
  'what is no HTTP': say('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'),
  'a list with 80 filters': async ({ url, key }) => (await fetch(`${url}/v1/generations?${FILTERS}`, { headers: auth(key) })).text(),
  'a vendor that sends half an image': vendorSays('image'),
  'a vendor that replies with 20,000 images': vendorSays('reply'),
}
