import { failureOf, retryAfterMs, submitFailure, withoutSecrets } from '#adapter-kit'
import type { Billed, Failure, Reply } from '#contract'
import manifest from './manifest.json' with { type: 'json' }
import { NOTHING_DRAWN, readProblem, WITHHELD, type Answer, type Part, type Problem } from './wire.ts'

const TITLE = manifest.title
const shown = (text: string | undefined): string | null => (text === undefined ? null : withoutSecrets(text))

/** An answer outside 200…299. */
export function refused(reply: Reply): Failure {
  const problem = readProblem(reply.body)
  const words = { title: TITLE, code: shown(problem.status), message: shown(problem.message) }
  const waitMs = Math.max(retryAfterMs(reply.headers) ?? -1, problem.retryAfterMs ?? -1)
  return { ...failureIn(reply, problem, words), ...(waitMs < 0 ? {} : { retry_after_ms: waitMs }) }
}

/** A wrong key is HTTP 400 here, and an empty account has three statuses. */
function failureIn(reply: Reply, problem: Problem, words: Parameters<typeof submitFailure>[1]): Failure {
  if (problem.reasons.includes('API_KEY_INVALID') || problem.reasons.includes('API_KEY_EXPIRED'))
    return failureOf(reply, words, {
      code: 'provider_unauthorized',
      message: `${TITLE} refused the API key (HTTP ${reply.status})`,
      billed: false,
    })
  if (reply.status < 500 && isAboutCredit(problem))
    return failureOf(reply, words, {
      code: 'insufficient_credit',
      message: `${TITLE} says that the account has too little credit (HTTP ${reply.status})`,
      billed: false,
    })
  return submitFailure(reply, words)
}

const isAboutCredit = ({ status, message = '' }: Problem): boolean =>
  (status === 'RESOURCE_EXHAUSTED' && /\bcredits?\b.*\bdepleted\b/i.test(message)) ||
  (status === 'FAILED_PRECONDITION' && /\bbilling\b/i.test(message))

/** HTTP 200 that brings no image: refused, or ended for another reason, which the tokens it counted are billed for. */
export function withoutImage(reply: Reply, answer: Answer, parts: readonly Part[]): Failure {
  const { usageMetadata: usage, promptFeedback, candidates = [] } = answer
  const hasWorked = (usage?.candidatesTokenCount ?? 0) + (usage?.thoughtsTokenCount ?? 0) > 0
  const billed: Billed = hasWorked ? true : 'unknown'
  const blocked = promptFeedback?.blockReason
  if (blocked !== undefined) return moderated(reply, 'request', [blocked], null, billed)
  const reasons = candidates.flatMap(({ finishReason }) => finishReason ?? [])
  const message = shown(candidates.find(({ finishMessage }) => finishMessage !== undefined)?.finishMessage ?? sentenceIn(parts))
  const withheld = reasons.filter((reason) => WITHHELD.has(reason))
  if (withheld.length > 0) return moderated(reply, 'output', withheld, message, billed)
  const code = reasons[0] === undefined ? null : withoutSecrets(reasons[0])
  if (code !== null && NOTHING_DRAWN.has(code)) {
    const says = `${TITLE} ended without an image (${code})${hasWorked ? '; what it thought and wrote is billed' : ''}`
    return failureOf(reply, { code, message }, { code: 'provider_rejected', message: says, billed })
  }
  const unread = `${TITLE} answered without an image that can be read; it may have been bought`
  return failureOf(reply, { code, message }, { code: 'bad_reply', message: unread, billed })
}

/** What the model wrote instead of drawing. */
const sentenceIn = (parts: readonly Part[]): string | undefined =>
  parts.find(({ text, thought }) => text !== undefined && thought !== true)?.text

function moderated(reply: Reply, stage: 'request' | 'output', reasons: readonly string[], words: string | null, billed: Billed): Failure {
  const message =
    stage === 'output' ? `${TITLE}’s moderation withheld the image` : `${TITLE}’s moderation refused the prompt or a reference`
  const code = withoutSecrets(reasons[0] ?? '')
  const failure = failureOf(reply, { code, message: words }, { code: 'moderated', message, billed })
  return { ...failure, stage, reasons: reasons.map(withoutSecrets) }
}
