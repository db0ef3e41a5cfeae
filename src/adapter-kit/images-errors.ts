import { z } from 'zod'
import { valueAt, type Failure, type ImagesShape, type Json, type Reply } from '#contract'
import { failureOf, submitFailure, type StatusTable } from './http-status.ts'
import { withoutSecrets } from './scrub.ts'

const text = z.string().min(1).optional().catch(undefined)
const Problem = z.looseObject({
  message: text,
  /** What a relay says of the vendor behind it: why it was flagged, or that vendor's own body as a text. */
  metadata: z
    .looseObject({ raw: text, reasons: z.array(z.string()).optional().catch(undefined) })
    .optional()
    .catch(undefined),
  type: text,
  code: z.union([z.string(), z.number()]).nullish().catch(undefined),
  moderation_details: z
    .looseObject({ moderation_stage: text, categories: z.array(z.string()).optional().catch(undefined) })
    .optional()
    .catch(undefined),
})
type Problem = z.infer<typeof Problem>

const MODERATED = new Set(['moderation_blocked', 'content_policy_violation', 'content_filter'])
const NO_CREDIT = new Set(['insufficient_quota', 'insufficient_credits', 'billing_hard_limit_reached'])

/** Behind a relay an outage says nothing of what its own vendor did. */
const BEHIND_A_RELAY: StatusTable = { 503: { billed: 'unknown' }, 529: { code: 'provider_unavailable', billed: 'unknown' } }

const statusesOf = ({ unbilled_statuses: unbilled }: ImagesShape): StatusTable => ({
  ...BEHIND_A_RELAY,
  ...Object.fromEntries(unbilled.map((status) => [status, { ...BEHIND_A_RELAY[status], billed: false }])),
})

/** What a reply that refuses, or ends in an error, says of the order. */
export function refusalOf(title: string, reply: Reply, shape: ImagesShape): Failure {
  const statuses = statusesOf(shape)
  const problem = problemOf(reply, shape)
  const said = problem?.code === undefined || problem.code === null ? problem?.type : String(problem.code)
  const code = said === undefined ? null : withoutSecrets(said)
  const words = { title, code, message: problem?.message === undefined ? null : withoutSecrets(problem.message), statuses }
  if (code !== null && NO_CREDIT.has(code))
    return failureOf(reply, words, {
      code: 'insufficient_credit',
      message: `${title} says that the account has too little credit`,
      billed: false,
    })
  const verdict = verdictOf(problem, code, shape)
  if (verdict === null) return submitFailure(reply, words)
  const isOutput = verdict === 'output'
  const message = isOutput ? `${title}’s moderation withheld the finished image` : `${title}’s moderation refused the request`
  return {
    // Where the vendor does not say the stage, an image may have been made.
    ...failureOf(reply, words, { code: 'moderated', message, billed: verdict === 'input' ? false : 'unknown' }),
    ...(verdict !== 'unknown' && { stage: isOutput ? ('output' as const) : ('request' as const) }),
    reasons: (problem?.moderation_details?.categories ?? problem?.metadata?.reasons ?? []).map(withoutSecrets),
  }
}

type Verdict = 'input' | 'output' | 'unknown'

/** At which stage this was moderated; null where it was not. */
function verdictOf(problem: Problem | undefined, code: string | null, { errors }: ImagesShape): Verdict | null {
  const behind = verdictBehind(problem)
  if (behind !== null) return behind
  if (code !== null && (MODERATED.has(code) || errors?.moderated.includes(code) === true)) {
    const stage = problem?.moderation_details?.moderation_stage
    return stage === 'output' || stage === 'unknown' ? stage : 'input'
  }
  const said = errors?.moderated_texts.find((each) => problem?.message?.includes(each.text))
  return said === undefined ? null : said.stage === 'request' ? 'input' : (said.stage ?? 'unknown')
}

/** The stage at which a vendor behind a relay moderated: the relay gives reasons for its input, or hands out that vendor's status word. */
function verdictBehind(problem: Problem | undefined): 'input' | 'output' | null {
  const { raw = '', reasons = [] } = problem?.metadata ?? {}
  if (/"status"\s*:\s*"Content Moderated"/.test(raw)) return 'output'
  return reasons.length > 0 || /"status"\s*:\s*"Request Moderated"/.test(raw) ? 'input' : null
}

/** A text, or a list of what is wrong. */
const Detail = z.looseObject({ detail: z.union([z.string(), z.array(z.looseObject({ msg: z.string() }))]) })

/**
 * The HTTP status that an error in a reply that succeeds stands for; null where there is none. 502 is trouble of a server, which is what such an
 * error mostly is, unless its code is a status.
 */
export function statusOfError({ body }: Reply, shape: ImagesShape): number | null {
  const hasData = z.looseObject({ data: z.unknown().refine((data) => data !== undefined && data !== null) }).safeParse(body).success
  const error = z.looseObject({ error: z.looseObject({ code: z.unknown().optional() }) }).safeParse(body).data?.error
  const own = wordsAt(body, shape)
  if (hasData || (error === undefined && own.code === undefined && own.message === undefined)) return null
  const status = Number(own.code ?? error?.code)
  return Number.isInteger(status) && status >= 400 && status < 600 ? status : 502
}

/** What stands where the manifest or the configuration says that errors do. */
function wordsAt(body: Json, { errors }: ImagesShape): Pick<Problem, 'code' | 'message'> {
  const first = (pointers: readonly string[] = []) =>
    pointers
      .map((pointer) => valueAt(body, pointer))
      .find((value) => typeof value === 'number' || (typeof value === 'string' && value !== ''))
  const [code, message] = [first(errors?.code), first(errors?.message)]
  return {
    ...((typeof code === 'string' || typeof code === 'number') && { code }),
    ...(typeof message === 'string' && { message }),
  }
}

const problemOf = ({ body }: Reply, shape: ImagesShape): Problem | undefined => {
  const own = wordsAt(body, shape)
  const usual = usualProblem(body)
  return own.code === undefined && own.message === undefined ? usual : { ...usual, ...own }
}

/** `{ error: { message, code } }`, `{ error: "…" }`, `{ message, code }`, or the `{ detail }` of FastAPI. */
function usualProblem(body: Json): Problem | undefined {
  const error = z.looseObject({ error: z.unknown() }).safeParse(body).data?.error ?? body
  if (typeof error === 'string') return { message: error }
  const detail = Detail.safeParse(error).data?.detail
  if (detail === undefined) return Problem.safeParse(error).data
  return { message: typeof detail === 'string' ? detail : detail.map(({ msg }) => msg).join('; ') }
}
