import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { Problem } from '#contract'
import type { OutputFormat } from '#contract'
import { AssetError, SMALL_WIDTHS } from '../../core/ports.ts'
import type { Assets, ByteRange, SmallWidth, Store } from '../../core/ports.ts'
import type { OwnedImage } from '../../core/records.ts'
import { HttpProblem } from '../http-problem.ts'
import { fieldProblem } from '../to-problem.ts'
import { seenImage } from './image-access.ts'
import type { ImageAccessDependencies } from './image-access.ts'
import { sendLinked } from './linked-image.ts'
import type { LinkedImageDependencies } from './linked-image.ts'

const MEDIA_TYPES = { jpeg: 'image/jpeg', png: 'image/png', webp: 'image/webp' } as const

/** Opened as a page of its own, the bytes can neither run nor load anything, whatever a browser takes them for. */
const SERVED_AS_IMAGE_ONLY = { 'x-content-type-options': 'nosniff', 'content-security-policy': "default-src 'none'; sandbox" } as const

const IMAGE_CONTENT = Object.fromEntries(Object.values(MEDIA_TYPES).map((type) => [type, { schema: z.file() }]))

export interface ImageDependencies extends ImageAccessDependencies, LinkedImageDependencies {
  readonly store: Pick<Store, 'image' | 'generation'>
  readonly assets: Pick<Assets, 'open' | 'small' | 'link'>
  /** Whether the bytes go to callers from the bucket: `assets.served_by`. */
  readonly isServedByBucket: () => boolean
}

const SCHEMA = {
  operationId: 'getImage',
  // By a key or by the signature in its link.
  security: [{ gatewayKey: [] }, {}],
  summary: 'The bytes of an image',
  description:
    'Immutable; `ETag` is its SHA-256. Takes `Range`, `If-Range` and `If-None-Match`. Where keys are on, the address is signed and expires ' +
    '(`assets.link_ttl`), and a key in the header sees its own images, unless the operator made images public (`assets.public`). Where images ' +
    'are not kept (`assets.keep`), the provider’s bytes, while its link lives. `w` gives a small WebP instead, made once and kept as long as the ' +
    'image: for lists. It is never wider than the image, stands outside the signature, and does nothing where images are not kept. ' +
    'Where the operator has the bucket serve them (`assets.served_by`), a 307 leads to a link of the bucket that is valid for ten minutes.',
  tags: ['images'],
  params: z.object({ file: z.string().max(200).meta({ description: '`img_….jpg`, `.png` or `.webp`; the extension may be left out.' }) }),
  querystring: z
    .object({
      expires: z.string().max(20).optional(),
      signature: z.string().max(100).optional(),
      w: z
        .enum(SMALL_WIDTHS.map(String))
        .optional()
        .meta({ description: 'The width of a small WebP in pixels.', examples: ['256'] }),
    })
    .loose(),
  response: {
    200: { description: 'The bytes.', content: IMAGE_CONTENT },
    206: { description: 'The range that was asked for.', content: IMAGE_CONTENT },
    307: z.null().meta({ description: 'The bytes are behind `Location`, at the bucket.' }),
    304: z.null().meta({ description: 'The caller has it already.' }),
    401: Problem,
    400: Problem,
    403: Problem,
    404: Problem,
    410: Problem,
    422: Problem,
    416: Problem,
    503: Problem,
  },
}

/** Image bytes. A link is its own proof, so that a browser can show it without a gateway key; see `seenImage`. */
export const imageRoutes: FastifyPluginAsyncZod<ImageDependencies> = async (app, deps) => {
  const { store, assets } = deps
  app.get('/v1/images/:file', { schema: SCHEMA, config: { access: 'open', countsKey: true } }, async (request, typedReply) => {
    // Bytes and empty bodies are beside the documented JSON answers.
    const reply: FastifyReply = typedReply
    const id = request.params.file.replace(/\.[a-z]{2,5}$/, '')
    const { image, cacheControl, isForEveryPage } = await seenImage(request, id, (name) => store.image(name), deps)
    if (!image.sha256 || !image.format || !image.bytes)
      return sendLinked(reply.headers({ ...SERVED_AS_IMAGE_ONLY, 'cache-control': 'private, no-cache' }), image, deps.clock.now(), deps)
    if (isForEveryPage) reply.header('access-control-allow-origin', '*')
    const { sha256, format, bytes } = image
    const { w } = request.query
    const link = w === undefined && isForBucket(request, deps) ? await assets.link(sha256, format) : null
    if (link !== null) return reply.header('cache-control', 'no-store').redirect(link, 307)
    const served =
      w === undefined
        ? whole(assets, sha256, format, bytes)
        : await smallOne(assets, image, { sha256, format, width: Number(w) as SmallWidth })
    return sendBytes(request, reply, served, cacheControl)
  })
}

/** Our own pages load nothing from elsewhere, and the link is signed for GET. */
const isForBucket = ({ method, headers }: FastifyRequest, { isServedByBucket }: ImageDependencies): boolean =>
  isServedByBucket() && method === 'GET' && headers['sec-fetch-site'] !== 'same-origin'

/** Bytes that can be served in part. */
interface Served {
  readonly etag: string
  readonly format: keyof typeof MEDIA_TYPES
  readonly bytes: number
  /** Null where they are gone. */
  readonly open: (range?: ByteRange) => Promise<Readable | null>
}

const whole = (assets: Pick<Assets, 'open'>, sha256: string, format: OutputFormat, bytes: number): Served => ({
  etag: `"${sha256}"`,
  format,
  bytes,
  open: (range) => assets.open(sha256, format, range, bytes),
})

/** @throws HttpProblem where the image is gone or cannot be decoded */
async function smallOne(
  assets: Pick<Assets, 'small'>,
  { key }: Pick<OwnedImage, 'key'>,
  { sha256, format, width }: { readonly sha256: string; readonly format: OutputFormat; readonly width: SmallWidth },
): Promise<Served> {
  const small = await assets.small(sha256, format, width, key ?? '').catch((error: unknown) => {
    if (!(error instanceof AssetError) || error.reason !== 'not_an_image') throw error
    const message = 'no small one can be made of this image, because it cannot be decoded; leave `w` out to get its bytes as they are'
    throw new HttpProblem({ ...fieldProblem('w', message), status: 422 })
  })
  if (!small) throw gone()
  return {
    etag: `"${sha256}-w${width}"`,
    format: 'webp',
    bytes: small.length,
    open: async (range) => Readable.from([range ? small.subarray(range.start, range.end + 1) : small], { objectMode: false }),
  }
}

const gone = (): HttpProblem =>
  new HttpProblem({
    code: 'gone',
    detail: 'This image is no longer stored: images are removed by age and by total size (assets.max_age_days, assets.max_bytes).',
  })

async function sendBytes(
  { headers }: FastifyRequest,
  reply: FastifyReply,
  { etag, format, bytes, open }: Served,
  cacheControl: string,
): Promise<FastifyReply> {
  const isAnotherImage = headers['if-range'] !== undefined && headers['if-range'] !== etag
  const range = isAnotherImage ? null : rangeOf(headers.range, bytes)
  const stream = await open(range === null || range === 'unsatisfiable' ? undefined : range)
  if (!stream) throw gone()
  const isKnown = isAmong(etag, headers['if-none-match'])
  if (range === 'unsatisfiable' && !isKnown) {
    stream.destroy()
    throw beyondTheEnd(reply, bytes)
  }
  reply.headers({
    'content-type': MEDIA_TYPES[format],
    'cache-control': cacheControl,
    etag,
    'accept-ranges': 'bytes',
    ...SERVED_AS_IMAGE_ONLY,
  })
  if (isKnown || range === 'unsatisfiable') {
    stream.destroy()
    return reply.code(304).send()
  }
  if (range) {
    reply
      .code(206)
      .headers({ 'content-range': `bytes ${range.start}-${range.end}/${bytes}`, 'content-length': range.end - range.start + 1 })
  } else reply.header('content-length', bytes)
  return reply.send(stream)
}

function beyondTheEnd(reply: FastifyReply, bytes: number): HttpProblem {
  reply.header('content-range', `bytes */${bytes}`)
  const detail = `The range lies beyond the end of this image, which has ${bytes} bytes.`
  return new HttpProblem({ code: 'invalid_request', status: 416, detail })
}

/** Whether `If-None-Match` names the tag: a list, of which each may be marked weak (proxies that compress do so), or `*`. */
const isAmong = (etag: string, header: string | undefined): boolean =>
  (header ?? '').split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag)

/** One byte range of RFC 9110; null where there is none or it is not understood (then the whole is sent). Inclusive. */
export function rangeOf(header: string | undefined, bytes: number): { start: number; end: number } | 'unsatisfiable' | null {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '')
  if (!match || (match[1] === '' && match[2] === '')) return null
  const [, from = '', to = ''] = match
  if (from === '') return Number(to) === 0 ? 'unsatisfiable' : { start: Math.max(0, bytes - Number(to)), end: bytes - 1 }
  const start = Number(from)
  const end = to === '' ? bytes - 1 : Math.min(bytes - 1, Number(to))
  if (to !== '' && Number(to) < start) return null
  return start >= bytes ? 'unsatisfiable' : { start, end }
}
