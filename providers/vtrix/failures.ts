import { failureOf, pollRefusal as refusalOfPoll, statusMeaning, withoutSecrets } from '#adapter-kit'
import type { Billed, Failure, Reply } from '#contract'
import { readHttpError, type Task, type VendorError } from './wire.ts'

const TITLE = 'Vtrix'

/**
 * What an error's words say. The vendor publishes no list of task error codes and no moderation signal (2026-11-21), so this is
 * inferred from plain words alone; upstream's own are "Request Moderated" and "Content Moderated". Other words mean `rejected`.
 */
type Meaning = 'moderated' | 'no_credit' | 'rejected'

const MODERATION =
  /\bmoderated\b|\bmoderation\b(?! (?:tolerance|level|service|api|timeout|timed|unavailable))|\bnsfw\b|\bcontent (?:policy|policies|filter|filtered|violation|safety)\b|\bsafety (?:filter|system|policy|violation)\b|\b(?:sensitive|prohibited|unsafe|inappropriate) content\b/
const NO_CREDIT =
  /\b(?:insufficient|not enough|no|low) (?:account |available )?(?:balance|credits?|funds?)\b|\b(?:balance|credits?|funds?) (?:is |are )?(?:insufficient|not enough|too low|exhausted)\b/
const NO_PERMISSION = /\bpermission|\bforbidden\b|\bnot allowed\b/
const OUTPUT_SIDE = /\b(?:output|generated|result)\b|\bcontent moderated\b/
const REQUEST_SIDE = /\b(?:prompt|input|request)\b/

/** Code and message as lower-case words: `RequestModerated`, `request_moderated` and `Request Moderated` read alike. */
const wordsOf = ({ code, message }: VendorError): string =>
  `${code ?? ''} ${message ?? ''}`
    .replaceAll(/([a-z])([A-Z])/g, '$1 $2')
    .replaceAll(/[_\-\s]+/g, ' ')
    .toLowerCase()

function meaningOf(error: VendorError): Meaning {
  const words = wordsOf(error)
  if (MODERATION.test(words)) return 'moderated'
  return NO_CREDIT.test(words) && !NO_PERMISSION.test(words) ? 'no_credit' : 'rejected'
}

/** A failure whose kind only the vendor's words show; `otherwise` is our message where they show nothing more. */
function fromWords(reply: Reply, error: VendorError, billed: Billed, stage: 'request' | 'output' | null, otherwise: string): Failure {
  switch (meaningOf(error)) {
    case 'moderated': {
      const message = `${TITLE}’s message says that moderation refused it`
      return {
        ...failureOf(reply, error, { code: 'moderated', message, billed }),
        ...(stage ? { stage } : {}),
        ...(error.message ? { reasons: [error.message] } : {}),
      }
    }
    case 'no_credit':
      return failureOf(reply, error, {
        code: 'insufficient_credit',
        message: `${TITLE} says that the account has too little credit`,
        billed,
      })
    case 'rejected':
      return failureOf(reply, error, { code: 'provider_rejected', message: otherwise, billed })
  }
}

/** Which side of a task was refused, where the words show it. */
function stageOf(error: VendorError): 'request' | 'output' | null {
  const words = wordsOf(error)
  if (OUTPUT_SIDE.test(words)) return 'output'
  return REQUEST_SIDE.test(words) ? 'request' : null
}

/** A submit that was answered with an HTTP status outside 200…299. It has made nothing, so moderation can only be about the request. */
export function submitFailure(reply: Reply): Failure {
  const error = readHttpError(reply.body)
  const { code, billed, says } = statusMeaning(reply.status)
  const message = `${TITLE} ${says} (HTTP ${reply.status})`
  if (reply.status === 403) {
    // One status for two things, "Insufficient balance or permission denied"; only the message distinguishes them, and where it
    // does not, the key is the safer reading. https://doc.vtrix.ai/docs/api/vtrix/vtrix-image-4-0, 2026-11-21
    const byWords = fromWords(reply, error, false, 'request', '')
    if (byWords.code !== 'provider_rejected') return byWords
    return failureOf(reply, error, { code, billed, message: `${TITLE} denied permission, or the balance is too low (HTTP 403)` })
  }
  if (code === 'provider_rejected') return fromWords(reply, error, billed, 'request', message)
  return failureOf(reply, error, { code, billed, message })
}

/** A poll that was refused, or answered without a task. */
export function pollRefusal(reply: Reply): Failure {
  return refusalOfPoll(reply, { title: TITLE, ...readHttpError(reply.body) })
}

/** A submit answered 2xx by an error instead of a task. */
export const refusedTask = (error: VendorError, billed: Billed, reply: Reply): Failure =>
  fromWords(reply, error, billed, 'request', `${TITLE} refused the request`)

/** A task that ended without an image. */
export function taskFailure(task: Task, billed: Billed, reply: Reply): Failure {
  const error = task.error ?? { code: null, message: null }
  const message = `${TITLE}’s task failed${error.message ? '' : ' without saying why'}`
  const failure = fromWords(reply, error, billed, stageOf(error), message)
  return { ...failure, provider_status: task.status === undefined ? reply.status : withoutSecrets(task.status) }
}

/** A 2xx reply that holds nothing we can use. */
export const badReply = (message: string, billed: Billed, reply: Reply): Failure =>
  failureOf(reply, readHttpError(reply.body), { code: 'bad_reply', message, billed })
