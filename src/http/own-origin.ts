import type { FastifyRequest } from 'fastify'
import { parseUrl } from '#contract'
import { HttpProblem } from './http-problem.ts'

export interface OriginDependencies {
  readonly publicUrl: () => string
  /** `server.cors.origins`. */
  readonly corsOrigins: () => readonly string[]
  /** Whether a host's spelling means this machine. */
  readonly isLoopback: (host: string) => boolean
}

/**
 * Why a request was not made to this gateway by a local program or a page of its own; undefined where it was. Without keys a web page on this
 * machine's browser would otherwise be as good as a local program: by a form, a fetch, a WebSocket, or a name of its own that leads here.
 * @param isOpen the route gives nothing away, or its address is its own proof: images stand in pages of other sites
 */
export function foreignRequest(request: FastifyRequest, origins: OriginDependencies, isOpen: boolean): HttpProblem | undefined {
  const { host, origin } = request.headers
  if (origin !== undefined) return judgeRequest(request, origins)
  if (!isOpen && isOfForeignElement(request)) return refused(ELEMENT)
  const publicUrl = origins.publicUrl()
  const last = lastOwn.get(origins)
  if (last !== undefined && last.host === host && last.publicUrl === publicUrl && last.protocol === request.protocol) return undefined
  const problem = judgeRequest(request, origins)
  if (problem === undefined) lastOwn.set(origins, { host, publicUrl, protocol: request.protocol })
  return problem
}

const ELEMENT =
  'A page of another site may not ask this gateway for anything but images, neither by an element nor by a fetch without CORS: list its origin in ' +
  'server.cors.origins and ask with CORS, or open the address in a tab.'

/**
 * Browsers send no `Origin` with what an element, a frame, a prefetch or a fetch without CORS loads. Its page reads nothing of the answer, but
 * whether it was a success and how long it took: which models, keys and generations there are, and, by searches, the words of prompts.
 * A tab that somebody opens by a link is not meant.
 */
function isOfForeignElement({ headers }: FastifyRequest): boolean {
  const { 'sec-fetch-site': site, 'sec-fetch-mode': mode, 'sec-fetch-dest': kind } = headers
  if (site !== 'cross-site' && site !== 'same-site') return false
  return mode !== 'navigate' || kind !== 'document'
}

/** The name that a request without an `Origin` came to last and rightly: most come to one, and need not be judged again. */
const lastOwn = new WeakMap<
  OriginDependencies,
  { readonly host: string | undefined; readonly publicUrl: string; readonly protocol: string }
>()

function judgeRequest(request: FastifyRequest, { publicUrl, corsOrigins, isLoopback }: OriginDependencies): HttpProblem | undefined {
  const own = urlOf(`${request.protocol}://${request.headers.host ?? ''}`)
  const publicly = urlOf(publicUrl())
  if (own === null || !(isLoopback(own.hostname) || nameOf(own) === (publicly && nameOf(publicly))))
    return refused(
      `${shown(request.headers.host)} is not a name of this gateway: without keys it answers to loopback names and to that of server.public_url.`,
    )
  const { origin } = request.headers
  if (origin === undefined || [own.origin, publicly?.origin].includes(origin.toLowerCase()) || isAllowed(origin, corsOrigins))
    return undefined
  return refused(`Pages of ${shown(origin)} may not ask this gateway; list that origin in server.cors.origins to let them.`)
}

/** Why a page of another site may not ask, where keys are on and the gateway may go by any name; undefined where it may. */
export function foreignPage(request: FastifyRequest, { publicUrl, corsOrigins }: OriginDependencies): HttpProblem | undefined {
  const { origin, host } = request.headers
  if (origin === undefined || isAllowed(origin, corsOrigins)) return undefined
  const page = urlOf(origin)
  if (page !== null && [`${page.protocol}//${host ?? ''}`, publicUrl()].some((own) => urlOf(own)?.host === page.host)) return undefined
  return refused(`Pages of ${shown(origin)} may not ask this gateway; list that origin in server.cors.origins to let them.`)
}

const isAllowed = (origin: string, corsOrigins: () => readonly string[]): boolean => corsOrigins().includes(origin.toLowerCase())

const urlOf = (text: string): URL | null => parseUrl(text)

/** A name with a dot at its end is the same name. */
const nameOf = ({ hostname }: URL): string => hostname.replace(/\.$/, '')

const shown = (value: string | undefined): string => JSON.stringify((value ?? '').slice(0, 100))

const refused = (detail: string): HttpProblem => new HttpProblem({ code: 'unauthorized', status: 403, detail })
