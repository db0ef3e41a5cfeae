import type { FastifyInstance } from 'fastify'
import { HttpProblem } from './http-problem.ts'

/** Headers of which only the first would count, where a proxy before this server may have judged the last. */
const ONCE = ['host', 'authorization'] as const

/** What two readers could understand differently is refused before anything of it counts. Must come before all rules that read a header. */
export function refuseAmbiguousRequests(app: FastifyInstance): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const detail = ambiguity(request.method, request.url, request.raw.rawHeaders)
    done(detail === null ? undefined : new HttpProblem({ code: 'invalid_request', detail }))
  })
}

function ambiguity(method: string, target: string, rawHeaders: readonly string[]): string | null {
  if (!target.startsWith('/') && !(target === '*' && method === 'OPTIONS'))
    return 'What is asked for must be a path that begins with /; a whole URL is for proxies, and this server is none.'
  const name = repeated(rawHeaders)
  return name === null ? null : `The header ${name} came more than once.`
}

/** Names and values take turns in `rawHeaders`. */
function repeated(rawHeaders: readonly string[]): string | null {
  const seen: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const header = rawHeaders[at] ?? ''
    if (header.length !== ONCE[0].length && header.length !== ONCE[1].length) continue
    const name = ONCE.find((once) => once === header.toLowerCase())
    if (name === undefined) continue
    if (seen.includes(name)) return name
    seen.push(name)
  }
  return null
}
