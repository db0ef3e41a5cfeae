import type { FastifyReply } from 'fastify'
import type { Download, Store } from '../../core/ports.ts'
import type { Instant, OwnedImage } from '../../core/records.ts'
import { HttpProblem } from '../http-problem.ts'

export interface LinkedImageDependencies {
  readonly store: Pick<Store, 'generation'>
  /** Through the guard, as every address that others gave. */
  readonly download: Download
  readonly maxImageBytes: () => number
}

const SILENCE_MS = 15_000
const IMAGE_TYPE = /^image\/(jpeg|png|webp)$/

/** The bytes behind a provider's own link, while it lives: for images that were not kept. @throws HttpProblem */
export async function sendLinked(
  reply: FastifyReply,
  image: OwnedImage,
  now: Instant,
  { store, download, maxImageBytes }: LinkedImageDependencies,
): Promise<FastifyReply> {
  const { link } = image
  if (link === null) throw gone()
  const record = await store.generation(image.generationId)
  const attempt = record?.attempts.find(({ imageIds }) => imageIds.includes(image.id))
  if (isOver(link.expiresAt, attempt?.readyAt ?? null, now)) throw gone()
  const provider = attempt && record?.routes[attempt.route]?.provider
  const trusted = provider === undefined ? {} : { trustedProvider: provider }
  const answer = await download(link.url, { maxBytes: maxImageBytes(), silenceMs: SILENCE_MS, isForCaller: true, ...trusted })
  switch (answer.kind) {
    case 'body': {
      const type = answer.contentType?.split(';')[0]?.trim().toLowerCase() ?? ''
      return reply.header('content-type', IMAGE_TYPE.test(type) ? type : 'application/octet-stream').send(answer.stream)
    }
    case 'expired':
      throw gone()
    case 'failed':
    case 'refused':
      throw new HttpProblem({ code: 'provider_unavailable', detail: `The provider’s link cannot be read (${answer.reason}).` })
  }
}

/** A link that was over by our clock when it came lives as long as its own server says: one of the two clocks is wrong. */
const isOver = (expiresAt: Instant | null, cameAt: Instant | null, now: Instant): boolean =>
  expiresAt !== null && expiresAt <= now && (cameAt === null || expiresAt > cameAt)

const gone = (): HttpProblem =>
  new HttpProblem({ code: 'gone', detail: 'This image was not kept here (assets.keep), and the provider’s own link is over.' })
