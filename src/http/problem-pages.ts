import { createHash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { ProblemCode } from '#contract'
import { HttpProblem } from './http-problem.ts'
import { PROBLEMS } from './problem.ts'

/** What a page says of one code, in the order it is said. */
function factsOf(code: ProblemCode) {
  const { meaning, http, remedy, ...row } = PROBLEMS[code]
  return { code, http_status: http, meaning, retryable: 'retryable' in row ? row.retryable : false, remedy }
}

export type ProblemFacts = ReturnType<typeof factsOf>

const isCode = (text: string): text is ProblemCode => Object.hasOwn(PROBLEMS, text)

const RETRYABLE = 'Yes, where `billed` is false: the same request may succeed later, and repeating it buys nothing twice.'
const NOT_RETRYABLE = 'No: the same request would end in the same way, or might be paid for twice.'

const rowsOf = ({ http_status: status, meaning, retryable, remedy }: ProblemFacts): readonly (readonly [string, string])[] => [
  ['What it means', meaning],
  ['HTTP status', `${status}, where it is the answer to a request`],
  ['Worth repeating as it is', retryable ? RETRYABLE : NOT_RETRYABLE],
  ['What you can do', remedy],
]

const STYLE =
  'body{font:16px/1.6 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;color-scheme:light dark}dt{font-weight:600;margin-top:1rem}dd{margin:0}code{font-family:ui-monospace,monospace}'
const HEADERS = {
  'content-security-policy': `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'public, max-age=3600',
  vary: 'accept',
}

const escaped = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll(/`([^`]+)`/g, '<code>$1</code>')

const page = (facts: ProblemFacts): string =>
  `<!doctype html><html lang="en"><meta charset="utf-8"><title>${facts.code} – imagegate</title><meta name="viewport" content="width=device-width"><style>${STYLE}</style>` +
  `<h1><code>${facts.code}</code></h1><dl>${rowsOf(facts)
    .map(([name, text]) => `<dt>${name}</dt><dd>${escaped(text)}</dd>`)
    .join('')}</dl><p>In a generation, <code>error.billed</code> says whether a provider may have charged for it.</p></html>\n`

const markdown = (facts: ProblemFacts): string =>
  `# ${facts.code}\n\n${rowsOf(facts)
    .map(([name, text]) => `- ${name}: ${text}`)
    .join('\n')}\n`

const Facts = z
  .object({ code: z.string(), http_status: z.number().int(), meaning: z.string(), retryable: z.boolean(), remedy: z.string() })
  .meta({ id: 'ProblemType' })

/** `GET /problems/<code>`, where `type` of every problem document leads: for a browser as a page, for a program as JSON, else as text. */
export function problemPages(app: FastifyInstance): void {
  const schema = {
    operationId: 'describeProblem',
    summary: 'What an error code means',
    description: 'HTML where the caller takes it, JSON where it asks for JSON, else Markdown.',
    tags: ['operations'],
    params: z.object({
      code: z
        .string()
        .max(100)
        .meta({ description: 'The `code` of a problem or of a generation’s error.', examples: ['moderated'] }),
    }),
    response: {
      200: {
        description: 'What the code means, whether to repeat the request, and what the caller can do.',
        content: { 'application/json': { schema: Facts }, 'text/html': { schema: z.string() }, 'text/markdown': { schema: z.string() } },
      },
    },
  }
  app.get<{ Params: { code: string } }>('/problems/:code', { schema, config: { access: 'open' } }, async (request, reply) => {
    const { code } = request.params
    if (!isCode(code)) {
      const known = Object.keys(PROBLEMS).join(', ')
      throw new HttpProblem({
        code: 'not_found',
        detail: `No problem has the code ${JSON.stringify(code.slice(0, 100))}; there are ${known}.`,
      })
    }
    const accept = request.headers.accept ?? ''
    const facts = factsOf(code)
    reply.headers(HEADERS)
    if (/\bjson\b/.test(accept)) return reply.type('application/json; charset=utf-8').send(facts)
    const isPage = accept.includes('text/html')
    return reply
      .type(`${isPage ? 'text/html' : 'text/markdown'}; charset=utf-8`)
      .serializer(String)
      .send(isPage ? page(facts) : markdown(facts))
  })
}
