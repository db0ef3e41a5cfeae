import type { FastifyRequest } from 'fastify'
import type { LinkJudged } from '../../core/present/image-link.ts'
import type { Clock } from '../../core/ports.ts'
import type { OwnedImage } from '../../core/records.ts'
import { HttpProblem } from '../http-problem.ts'
import { owned } from '../owned.ts'

export interface ImageAccessDependencies {
  /** Whether whoever has a link may see the image, for ever: `assets.public`. */
  readonly imagesArePublic: () => boolean
  readonly judgeLink: (id: string, expires: string, signature: string) => LinkJudged
  readonly clock: Pick<Clock, 'now'>
}

/** An image that the asker may see, and how long a cache may keep it. */
export interface SeenImage {
  readonly image: OwnedImage
  readonly cacheControl: string
  /** Whether a page of any origin may read the bytes: where the link itself is the proof. */
  readonly isForEveryPage: boolean
}

const FOR_EVER = 'max-age=31536000, immutable'

/**
 * An image for who may see it: everybody where images are public or no keys are on, whoever has a signed link that lives, and the key whose it
 * is. Nobody else learns whether it is there. @throws HttpProblem
 */
export async function seenImage(
  request: FastifyRequest,
  id: string,
  find: (id: string) => Promise<OwnedImage | null>,
  deps: ImageAccessDependencies,
): Promise<SeenImage> {
  const linked = linkedCache(request, id, deps)
  if (linked !== null) return { image: found(await find(id)), ...linked }
  if (request.caller.scope === null) throw notAllowed()
  return { image: found(owned(await find(id), request.caller)), cacheControl: 'private, no-cache', isForEveryPage: false }
}

/** What a link allows without a key; null where it allows nothing. */
function linkedCache(
  request: FastifyRequest,
  id: string,
  { imagesArePublic, judgeLink, clock }: ImageAccessDependencies,
): Omit<SeenImage, 'image'> | null {
  if (imagesArePublic()) return { cacheControl: `public, ${FOR_EVER}`, isForEveryPage: true }
  const { expires, signature } = request.query as Readonly<Record<string, unknown>>
  const { key, isAdmin } = request.caller
  // Without keys whoever is on this machine sees it, and a foreign page that shows it must not read it from the browser's cache.
  if (key === null && isAdmin) return { cacheControl: `private, ${FOR_EVER}`, isForEveryPage: false }
  if (typeof expires !== 'string' || typeof signature !== 'string') return null
  const judged = judgeLink(id, expires, signature)
  switch (judged.kind) {
    case 'valid':
      return {
        cacheControl: `private, max-age=${Math.floor((judged.expiresAt - clock.now()) / 1_000)}, immutable`,
        isForEveryPage: true,
      }
    case 'expired':
      if (request.caller.scope !== null) return null
      throw new HttpProblem({
        code: 'unauthorized',
        status: 403,
        detail: 'This link has expired; every answer about its generation carries a fresh one.',
      })
    case 'unsigned':
      return null
  }
}

function found(image: OwnedImage | null): OwnedImage {
  if (image === null) throw new HttpProblem({ code: 'not_found', detail: 'There is no such image.' })
  return image
}

const notAllowed = (): HttpProblem =>
  new HttpProblem({
    code: 'unauthorized',
    detail: 'This address is not signed, or not by this gateway: use the link as an answer gave it, or send `Authorization: Bearer <key>`.',
  })
