import { FAILURES } from '#contract'
import type { FailureCode, GenerationError, JsonObject } from '#contract'
import type { ProblemDetails } from '../../http-problem.ts'
import { IDEMPOTENCY_KEY } from '../../to-problem.ts'
import { vendorsWords } from '../vendors-words.ts'

/** An entry of `errors[]` (https://runware.ai/docs/platform/errors, read 2026-11-21), without the task it is about. */
export interface TaskError {
  readonly code: string
  readonly message: string
  readonly parameter?: string | readonly string[]
}

const capitalized = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1)

export const invalid = (parameter: string, problem: string): TaskError => ({
  code: `invalid${capitalized(parameter.split('.').at(-1) ?? parameter)}`,
  message: `Invalid value for ${parameter}: ${problem}.`,
  parameter,
})

export const missing = (parameter: string): TaskError => ({
  code: `missing${capitalized(parameter)}`,
  message: `Missing required parameter: ${parameter}.`,
  parameter,
})

export const INVALID_KEY: TaskError & { readonly taskType: 'authentication' } = {
  code: 'invalidApiKey',
  message: 'Invalid API key: send a gateway key of this server as a bearer token or in an authentication task.',
  parameter: 'apiKey',
  taskType: 'authentication',
}

/** The code where a key's scope is too small. */
export const FORBIDDEN = 'forbidden'

/** Nothing was bought, or the same taskUUID brings what was: its SDKs send such a task again. */
export const STORE_AWAY = 'providerUnavailable'

export const TASK_NOT_FOUND: TaskError = {
  code: 'taskNotFound',
  message: 'There is no task with this taskUUID, or it was forgotten.',
  parameter: 'taskUUID',
}

/**
 * Our failure codes in Runware's vocabulary. Its SDKs class a code by its spelling (runware-typescript src/errors.ts, read 2026-11-21):
 * one they send again by themselves (`provider…`, `timeout…`, `…rateLimit…`) stands only for failures that bought nothing, or for
 * those the vendor reports so too.
 */
const CODES = {
  invalid_request: 'invalidParameter',
  model_not_found: 'invalidModel',
  no_eligible_offer: 'unsupportedParameters',
  unauthorized: 'invalidApiKey',
  provider_unauthorized: 'providerUnauthorized',
  insufficient_credit: 'providerInsufficientCredits',
  budget_exceeded: 'insufficientCredits',
  rate_limited: 'providerRateLimitExceeded',
  moderated: 'providerContentPolicyViolation',
  provider_rejected: 'unsupportedByProvider',
  provider_unavailable: 'providerUnavailable',
  provider_timeout: 'timeoutProvider',
  bad_reply: 'taskFailedOrNotFound',
  result_expired: 'resultExpired',
  outcome_unknown: 'taskFailedOrNotFound',
  canceled: 'taskCancelled',
  internal: 'internalServerError',
} as const satisfies Record<FailureCode, string>

/** A generation's failure. */
export function errorOfFailure(error: GenerationError): TaskError {
  const { code, stage, message, reasons } = error
  const why = reasons && reasons.length > 0 ? ` (${reasons.join(', ')})` : ''
  const said = vendorsWords(error, message)
  const words = said === null ? '' : `: ${said}`
  return {
    code: code === 'moderated' && stage === 'output' ? 'nsfwContentDetected' : CODES[code],
    message: `${message}${why}${words}`,
    ...(code === 'moderated' && stage !== 'output' ? { parameter: 'positivePrompt' } : {}),
  }
}

/** Runware's names of our fields. */
const PARAMETERS: Readonly<Record<string, string>> = {
  model: 'model',
  prompt: 'positivePrompt',
  width: 'width',
  height: 'height',
  n: 'numberResults',
  seed: 'seed',
  output_format: 'outputFormat',
  output_quality: 'outputQuality',
  safety_tolerance: 'providerSettings.bfl.safetyTolerance',
  prompt_upsampling: 'providerSettings.bfl.promptUpsampling',
  guidance: 'CFGScale',
  steps: 'steps',
  reference_images: 'inputs.referenceImages',
  webhook: 'webhookURL',
}

/** Our path as the task has it. */
function parameterOf(path: string, task: JsonObject): string {
  const [field = '', provider, ...rest] = path.split('.')
  if (field === 'provider_options') return rest.length > 0 ? rest.join('.') : (provider ?? field)
  if (field === 'reference_images' && task['referenceImages'] !== undefined) return 'referenceImages'
  if (field === 'webhook' && task['webhookURL'] === undefined) return 'uploadEndpoint'
  return PARAMETERS[field] ?? path
}

/** No word of our names is longer: a search for longer ones would begin anew at each letter of a run that a caller wrote. */
const NAMES = /[a-z]{1,20}_[a-z]{1,20}/g

/** Names of ours that no sentence means otherwise, as the task has them. */
const inOwnNames = (text: string, task: JsonObject): string =>
  text
    .replaceAll(/provider_options\.\w+\.([\w.]*\w)/g, '$1')
    .replaceAll(/(?:these )?provider_options/g, 'safety')
    .replaceAll(NAMES, (name) => (Object.hasOwn(PARAMETERS, name) ? parameterOf(name, task) : name))

/** Why a task was not accepted, naming the parameters that were sent. */
export function errorsOfProblem({ code, detail, errors = [], status }: ProblemDetails, task: JsonObject): readonly TaskError[] {
  if (errors.some(({ path }) => path === IDEMPOTENCY_KEY)) {
    return [{ code: 'conflictTaskUUID', message: 'This taskUUID was used for another task; send a fresh one.', parameter: 'taskUUID' }]
  }
  if (code === 'unauthorized' && status === 403) return [{ code: FORBIDDEN, message: detail }]
  if (code === 'internal')
    return [{ code: CODES.internal, message: 'An unexpected error; getResponse answers whether the task was taken.' }]
  if (code === 'invalid_request' && errors.length > 0)
    return errors.map(({ path, message }) => invalid(parameterOf(path, task), inOwnNames(message, task)))
  const own = isFailure(code) ? CODES[code] : (OTHER_CODES[code] ?? CODES.invalid_request)
  return [{ code: own, message: inOwnNames(detail, task), ...(code === 'model_not_found' ? { parameter: 'model' } : {}) }]
}

/** A body of which a field, by its path in the array of tasks, kept the rest from being read; null where it is not about one. */
export function errorsOfBody({ errors = [] }: ProblemDetails): readonly TaskError[] | null {
  const named = errors.map(({ path, message }) => invalid(path.replace(/^\d+\./, ''), message))
  return named.length > 0 ? named : null
}

/** Of problems that are no failures of a generation. */
const OTHER_CODES: Partial<Readonly<Record<ProblemDetails['code'], string>>> = {
  not_found: TASK_NOT_FOUND.code,
  store_unavailable: STORE_AWAY,
}

const isFailure = (code: ProblemDetails['code']): code is FailureCode => Object.hasOwn(FAILURES, code)

/** By the spelling of a code, as Runware's SDKs class them; what is not listed is the caller's to correct. */
const STATUSES: readonly (readonly [RegExp, number])[] = [
  [/ApiKey$/, 401],
  [/^forbidden$/, 403],
  [/Credits$/, 402],
  [/NotFound$|Expired$/, 404],
  [/RateLimit/, 429],
  [/ContentPolicy|^nsfw|^unsupported/i, 400],
  [/^timeout/, 504],
  [/^provider/, 503],
  [/^internalServerError$/, 500],
]

/** The HTTP status of an answer that holds nothing but errors: that of the first. */
export const httpStatusOf = (code: string): number =>
  code === CODES.bad_reply ? 502 : (STATUSES.find(([pattern]) => pattern.test(code))?.[1] ?? 400)
