import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Call, Json, Outcome, Reply } from '#contract'
import { parseJson } from '../../src/transport/json.ts'
import { parseBody } from '../../src/transport/reply-body.ts'
import { LegalCall, LegalOutcome } from './legal-outcome.ts'
import { ROOT } from './source-tree.ts'

const Status = z.number().int().min(100).max(599)
const Headers = z.record(z.string().regex(/^[a-z0-9-]+$/, 'header names are lower-case'), z.string()).default({})

/** What a vendor said: a body as JSON, or `raw`, its text to the letter; or nothing, because the reply was lost. */
const RecordedReply = z.union([
  z.strictObject({ lost: z.literal(true) }),
  z.strictObject({ status: Status, headers: Headers, body: z.json() }),
  z.strictObject({ status: Status, headers: Headers, raw: z.string() }),
])
export type RecordedReply = z.infer<typeof RecordedReply>

/** One call of a story and what came back. */
export interface Step {
  readonly call: Call
  readonly reply: RecordedReply
}

/** A folder `providers/<provider>/cases/<story>/`: a request, the calls it leads to with their replies, and its outcome. */
export interface Case {
  readonly provider: string
  readonly story: string
  readonly request: Json
  readonly steps: readonly Step[]
  readonly outcome: Outcome
}

/** A case folder that is not as it should be; the message says which file and what to do. */
export class MalformedCase extends Error {}

/** The stories of a provider, sorted; none where it has no cases. */
export function storiesOf(provider: string): readonly string[] {
  const folder = join(ROOT, 'providers', provider, 'cases')
  if (!existsSync(folder)) return []
  return readdirSync(folder).sort()
}

/**
 * @param root the checkout; another folder in tests of this reader
 * @throws MalformedCase
 */
export function readCase(provider: string, story: string, root: string = ROOT): Case {
  const shown = `providers/${provider}/cases/${story}`
  const folder = join(root, shown)
  const files = new Set(listFiles(folder, shown))

  const take = <Value>(name: string, schema: z.ZodType<Value>): Value => {
    if (!files.delete(name)) throw new MalformedCase(`${shown} has no ${name}.`)
    return read(join(folder, name), `${shown}/${name}`, schema)
  }

  const request = take('request.json', z.json())
  const steps: Step[] = []
  while (files.has(`${steps.length + 1}.call.json`)) {
    const number = steps.length + 1
    const call = take(`${number}.call.json`, LegalCall)
    steps.push({ call: call as Call, reply: take(`${number}.reply.json`, RecordedReply) })
  }
  if (steps.length === 0) throw new MalformedCase(`${shown} has no 1.call.json: a story begins with what we say to the vendor.`)
  const outcome = take('outcome.json', LegalOutcome) as Outcome
  if (outcome.kind === 'pending') throw new MalformedCase(`${shown}/outcome.json is pending: a story ends with done or failed.`)
  if (files.size > 0) throw new MalformedCase(`${shown} has files that nothing reads: ${[...files].sort().join(', ')}.`)
  return { provider, story, request, steps, outcome }
}

function listFiles(folder: string, shown: string): readonly string[] {
  if (!/^[a-z0-9]+([.-][a-z0-9]+)*$/.test(shown.split('/').at(-1) ?? '')) throw new MalformedCase(`${shown} is not named in kebab-case.`)
  try {
    return readdirSync(folder)
  } catch {
    throw new MalformedCase(`${shown} is not a folder: every story is a folder of its own.`)
  }
}

function read<Value>(path: string, shown: string, schema: z.ZodType<Value>): Value {
  const text = readFileSync(path, 'utf8')
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new MalformedCase(`${shown} is not JSON: ${error instanceof Error ? error.message : String(error)}.`)
  }
  if (JSON.stringify(parseJson(text)) !== JSON.stringify(json))
    throw new MalformedCase(`${shown} holds a number that a double cannot hold: write the whole reply as text in \`raw\`.`)
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || '(whole file)'}: ${issue.message}`)
  throw new MalformedCase(`${shown} is not what it should be: ${problems.join('; ')}.`)
}

/** The text of a recorded body as the vendor would send it. */
export const textOf = (reply: Exclude<RecordedReply, { lost: true }>): string => ('raw' in reply ? reply.raw : JSON.stringify(reply.body))

/** What an adapter is given for a recorded reply: the text parsed as transport parses it. Null where the reply was lost. */
export function replyOf(reply: RecordedReply): Reply | null {
  if ('lost' in reply) return null
  return { status: reply.status, headers: reply.headers, body: parseBody(Buffer.from(textOf(reply))).body }
}
