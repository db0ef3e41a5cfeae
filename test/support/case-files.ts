import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { eventsOf, type Call, type Json, type Outcome, type Reply, type ReplyEvent } from '#contract'
import { parseJson } from '../../src/transport/json.ts'
import { parseBody } from '../../src/transport/reply-body.ts'
import { LegalCall, LegalOutcome } from './legal-outcome.ts'
import { PROVIDERS } from './installed-providers.ts'

const Status = z.number().int().min(100).max(599)
const Headers = z.record(z.string().regex(/^[a-z0-9-]+$/, 'header names are lower-case'), z.string()).default({})

/** What a vendor answered: a body as JSON, or `raw`, its text to the letter; or nothing, because the reply was lost. */
const RecordedReply = z.union([
  z.strictObject({ lost: z.literal(true) }),
  z.strictObject({ status: Status, headers: Headers, body: z.json() }),
  z.strictObject({ status: Status, headers: Headers, raw: z.string() }),
])
export type RecordedReply = z.infer<typeof RecordedReply>

/** A file `providers/<provider>/cases/<story>.json`. */
const CaseFile = z.strictObject({
  request: z.record(z.string(), z.json()),
  steps: z
    .array(z.strictObject({ call: LegalCall.optional(), reply: RecordedReply }))
    .min(1)
    .refine(([first]) => first?.call !== undefined, 'the first step has no call: a story begins with the submit'),
  outcome: LegalOutcome.refine(({ kind }) => kind !== 'pending', 'a story ends with done, failed or refused'),
})

/** One call of a story and what came back. */
export interface Step {
  readonly call: Call
  readonly reply: RecordedReply
}

/** A request, the calls it leads to with their replies, and its outcome. */
export interface Case {
  readonly provider: string
  readonly story: string
  readonly request: Json
  readonly steps: readonly Step[]
  readonly outcome: Outcome
}

/** A case that is not as it should be; the message says which file and what to do. */
export class MalformedCase extends Error {}

const EXTENSION = '.json'

/** The stories of a provider, sorted; none where it has no cases. */
export function storiesOf(provider: string): readonly string[] {
  const folder = join(PROVIDERS, provider, 'cases')
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .map((name) => (name.endsWith(EXTENSION) ? name.slice(0, -EXTENSION.length) : name))
    .sort()
}

/**
 * @param providers the folder of the providers; another one in tests of this reader
 * @throws MalformedCase
 */
export function readCase(provider: string, story: string, providers: string = PROVIDERS): Case {
  const shown = `providers/${provider}/cases/${story}${EXTENSION}`
  if (!/^[a-z0-9]+([.-][a-z0-9]+)*$/.test(story)) throw new MalformedCase(`${shown} is not named in kebab-case.`)
  const { request, steps, outcome } = read(join(providers, provider, 'cases', story + EXTENSION), shown)
  return { provider, story, request: withOptionsOf(provider, request), steps: withCalls(steps), outcome: outcome as Outcome }
}

/** A case writes its provider's own options as `own`, so that it is right under any name of the folder. */
function withOptionsOf(provider: string, request: Readonly<Record<string, Json>>): Json {
  const { provider_options: options, ...rest } = request
  if (typeof options !== 'object' || options === null || !('own' in options)) return request
  return { ...rest, provider_options: { [provider]: options.own } }
}

/** A step that leaves its call out repeats the one before. */
function withCalls(steps: z.infer<typeof CaseFile>['steps']): readonly Step[] {
  const whole: Step[] = []
  for (const { call = whole.at(-1)?.call, reply } of steps) {
    if (call !== undefined) whole.push({ call: call as Call, reply })
  }
  return whole
}

function read(path: string, shown: string): z.infer<typeof CaseFile> {
  if (!existsSync(path)) throw new MalformedCase(`${shown} does not exist: every story is one JSON file.`)
  const text = readFileSync(path, 'utf8')
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new MalformedCase(`${shown} is not JSON: ${error instanceof Error ? error.message : String(error)}.`)
  }
  if (JSON.stringify(parseJson(text)) !== JSON.stringify(json))
    throw new MalformedCase(`${shown} holds a number that a double cannot hold: write the whole reply as text in \`raw\`.`)
  const parsed = CaseFile.safeParse(json)
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || '(whole file)'}: ${issue.message}`)
  throw new MalformedCase(`${shown} is not what it should be: ${problems.join('; ')}.`)
}

/** The text of a recorded body as the vendor would send it: events one after the other, where the reply came as such. */
export function textOf(reply: Exclude<RecordedReply, { lost: true }>): string {
  if ('raw' in reply) return reply.raw
  const events = eventsOf({ headers: reply.headers, body: reply.body })
  return events === null ? JSON.stringify(reply.body) : events.map(eventText).join('')
}

const eventText = ({ event, data }: ReplyEvent): string =>
  `${event === '' ? '' : `event: ${event}\n`}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`

/**
 * What an adapter gets for a recorded reply: the text parsed as transport parses it. Null where the reply was lost.
 * @param url the absolute URL that was called
 */
export function replyOf(reply: RecordedReply, url?: string): Reply | null {
  if ('lost' in reply) return null
  const events = 'body' in reply ? eventsOf({ headers: reply.headers, body: reply.body }) : null
  const { body } = events === null ? parseBody(Buffer.from(textOf(reply))) : { body: [...events] }
  return { status: reply.status, headers: reply.headers, body, ...(url === undefined ? {} : { url }) }
}
