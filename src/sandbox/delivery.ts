import { createHash } from 'node:crypto'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { drawImage } from './draw-image.ts'
import type { WireReply } from './server.ts'
import { readyAt, type ImageFormat, type TaskImage, type TaskRecord } from './task.ts'
import type { Delivery } from './wire.ts'

const IMAGES_KEPT = 100
/** `drip-link` without a parameter takes so many typical times. */
const DRIP_FACTOR = 35
const PAGE = { status: 200, type: 'text/html', body: '<html><body>Not an image.</body></html>' } as const

/** Draws each image once; the newest few are kept as bytes. */
export function createDrawer(): (task: TaskRecord<unknown>, image: TaskImage) => Promise<Buffer> {
  const drawn = new Map<string, Promise<Buffer>>()
  return ({ prompt }, { id, width, height, format, quality, seed }) => {
    const bytes = drawn.get(id) ?? drawImage({ width, height, format, prompt, seed, ...(quality === null ? {} : { quality }) })
    drawn.set(id, bytes)
    const [oldest] = drawn.keys()
    if (drawn.size > IMAGES_KEPT && oldest !== undefined) drawn.delete(oldest)
    return bytes
  }
}

/** How the name of an image's file ends, without the dot. */
export const extensionOf = (format: ImageFormat, jpegExtension = 'jpg'): string => (format === 'jpeg' ? jpegExtension : format)

/** Signed links as Azure's storage makes them, and its answer to a dead one. */
export const azureDelivery = (path: string, lifeMs: number): Delivery<unknown> => ({
  path,
  jpegExtension: 'jpeg',
  lifeMs,
  query: azureQuery,
  dead: { status: 403, type: 'application/xml', body: '<?xml version="1.0"?><Error><Code>AuthenticationFailed</Code></Error>' },
})

/** The query of a signed link: `se` is its end, to the second. */
function azureQuery(task: TaskRecord<unknown>, image: TaskImage): Readonly<Record<string, string>> {
  const end = `${new Date(task.createdAt + image.durationMs + (task.linkLifeMs ?? 0)).toISOString().slice(0, 19)}Z`
  const sig = createHash('sha256').update(`${image.id} ${end}`).digest('base64')
  return { se: end, sp: 'r', sv: '2024-11-04', sr: 'b', rsct: `image/${image.format}`, sig }
}

/** Whether the link opens at `now`: after the image is ready, and within the life of the link. */
export function isLinkAlive(task: TaskRecord<unknown>, image: TaskImage, now: number): boolean {
  const ready = readyAt(task, image)
  return (
    image.failure === null &&
    task.play?.story !== 'expired-link' &&
    now >= ready &&
    now <= ready + (task.linkLifeMs ?? Number.POSITIVE_INFINITY)
  )
}

/** One fetch of an image: the how manieth it is, from 0, and milliseconds since the first. */
export interface Fetch {
  readonly count: number
  readonly sinceFirstMs: number
}

/** The reply to a fetch of an image whose link is alive, as its story wants it. */
export function deliveryOf({ play }: TaskRecord<unknown>, format: string, bytes: Buffer, fetch: Fetch, typicalMs: number): WireReply {
  const image: WireReply = { status: 200, type: `image/${format}`, body: bytes }
  const parameter = play?.parameter ?? null
  switch (play?.story) {
    case 'not-an-image':
      return PAGE
    case 'half-image':
      return { ...image, cut: 'half' }
    case 'late-link':
      if (fetch.sinceFirstMs >= Number(parameter ?? typicalMs)) return image
      return { status: fetch.count % 2 === 0 ? 404 : 403, type: 'text/plain', body: 'Not yet' }
    case 'flaky-link':
      return flaky(image, (parameter ?? 'html,empty,half').split(',')[fetch.count])
    case 'gzip-link':
      return coded(image, bytes, parameter ?? 'gzip')
    case 'range-link':
      return { ...image, status: 206, headers: { 'content-range': `bytes 0-${bytes.length - 1}/${bytes.length}` } }
    case 'drip-link':
      return { ...image, dripMs: Number(parameter ?? typicalMs * DRIP_FACTOR) }
    default:
      return image
  }
}

/** The bytes of an image that comes inside a reply, as its story wants them. */
export function inlineBytes({ play }: TaskRecord<unknown>, bytes: Buffer): Buffer {
  switch (play?.story) {
    case 'not-an-image':
      return Buffer.from(PAGE.body)
    case 'half-image':
      return bytes.subarray(0, Math.floor(bytes.length / 2))
    default:
      return bytes
  }
}

function flaky(image: WireReply, fault: string | undefined): WireReply {
  switch (fault) {
    case 'html':
      return PAGE
    case 'empty':
      return { ...image, body: Buffer.alloc(0) }
    case 'half':
      return { ...image, cut: 'half' }
    default:
      return image
  }
}

/** `chunked` is a coding no client knows (`aws-chunked`), left over from an upload; the bytes under it are plain. */
function coded(image: WireReply, bytes: Buffer, coding: string): WireReply {
  switch (coding) {
    case 'br':
      return { ...image, body: brotliCompressSync(bytes), headers: { 'content-encoding': 'br' } }
    case 'deflate':
      return { ...image, body: deflateSync(bytes), headers: { 'content-encoding': 'deflate' } }
    case 'chunked':
      return { ...image, headers: { 'content-encoding': 'aws-chunked' } }
    default:
      return { ...image, body: gzipSync(bytes), headers: { 'content-encoding': 'gzip' } }
  }
}

export const dataUri = (format: string, bytes: Buffer): string => `data:image/${format};base64,${bytes.toString('base64')}`

/** The link as the story `odd-link` writes it; `parameter` chooses how. */
export function oddLink(link: string, format: string, bytes: Buffer, parameter: string | null): string {
  const url = new URL(link)
  switch (parameter) {
    case 'data':
      return dataUri(format, bytes)
    case 'space':
      return ` ${link}${url.search === '' ? '?' : '&'}note=with a space `
    case 'newline':
      return `${link.replace(url.pathname, `\n${url.pathname}`)}\n`
    case 'upper':
      return link.replace('http:', 'HTTP:')
    default:
      return link.slice(url.origin.length)
  }
}
