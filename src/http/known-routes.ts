import type { FastifyInstance, FastifyRequest } from 'fastify'

declare module 'fastify' {
  interface FastifyInstance {
    /** The verbs that a path is known for; empty where it is not known. */
    verbsOf(path: string): readonly string[]
    /** Whether a path has routes of its own, none of them for this verb, which a pattern such as `/v1/images/:file` takes in their stead. */
    isWrongVerb(path: string, verb: string): boolean
  }
}

interface KnownPath {
  readonly pattern: RegExp
  readonly isExact: boolean
  readonly verbs: Set<string>
}

/** Whether a route takes one path alone. */
export const isExact = (url: string): boolean => !/[:*]/.test(url)

/** Remembers every route that is registered from here on, so that a wrong verb is answered with the right ones. */
export function rememberRoutes(app: FastifyInstance): void {
  const paths = new Map<string, KnownPath>()
  app.addHook('onRoute', ({ url, method }) => {
    if (url === '*') return
    const known = paths.get(url) ?? { pattern: patternOf(url), isExact: isExact(url), verbs: new Set() }
    for (const verb of [method].flat()) if (verb !== 'OPTIONS') known.verbs.add(verb)
    paths.set(url, known)
  })
  app.decorate('verbsOf', (path) => {
    const fitting = [...paths.values()].filter(({ pattern }) => pattern.test(path))
    const exact = fitting.filter(({ isExact }) => isExact)
    return [...new Set((exact.length > 0 ? exact : fitting).flatMap(({ verbs }) => [...verbs]))].toSorted()
  })
  app.decorate('isWrongVerb', (path, verb) => {
    const own = paths.get(path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path)
    return own !== undefined && own.isExact && verb !== 'OPTIONS' && !own.verbs.has(verb)
  })
}

/** Whether a request came with a verb that its path does not take, though a route beside it would. */
export const hasWrongVerb = ({ url, method, server }: Pick<FastifyRequest, 'url' | 'method' | 'server'>): boolean =>
  server.isWrongVerb(pathOf({ url }), method)

const patternOf = (url: string): RegExp =>
  new RegExp(
    `^${url
      .split('/')
      .map((part) => (part === '*' ? '.*' : part.startsWith(':') ? '[^/]+' : RegExp.escape(part)))
      .join('/')
      .replace(/\/$/, '')}/?$`,
  )

/** The path of a request, without its query. */
export function pathOf({ url }: Pick<FastifyRequest, 'url'>): string {
  const query = url.indexOf('?')
  return query < 0 ? url : url.slice(0, query)
}

/** `Allow` for a request whose path is known and whose verb is not; null where the path is not known either. */
export function allowOf(request: Pick<FastifyRequest, 'url' | 'server'>): string | null {
  const verbs = request.server.verbsOf(pathOf(request))
  return verbs.length === 0 ? null : [...verbs, 'OPTIONS'].join(', ')
}
