import type { FailureCode, GenerationError } from '#contract'
import { Refusal } from '../../../core/generation/accept.ts'
import { IdempotencyMismatch } from '../../../core/generation/idempotency.ts'

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

export const TASK_NOT_FOUND: TaskError = {
  code: 'taskNotFound',
  message: 'There is no task with this taskUUID, or it was forgotten.',
  parameter: 'taskUUID',
}

/**
 * Our failure codes in Runware's vocabulary. Its SDKs class a code by its spelling (runware-typescript src/errors.ts, read 2026-11-21):
 * one they send again by themselves (`provider…`, `timeout…`, `…rateLimit…`) stands only for failures that bought nothing, or for
 * those the vendor too tells so.
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
export function errorOfFailure({ code, stage, message, reasons, provider_message: said }: GenerationError): TaskError {
  const why = reasons && reasons.length > 0 ? ` (${reasons.join(', ')})` : ''
  const words = said && said !== message ? `: ${said}` : ''
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
}

/** Why a task was not accepted; null for an error that no caller caused. */
export function errorsOfRefusal(error: unknown): readonly TaskError[] | null {
  if (error instanceof IdempotencyMismatch) {
    return [{ code: 'conflictTaskUUID', message: 'This taskUUID was used for another task; send a fresh one.', parameter: 'taskUUID' }]
  }
  if (!(error instanceof Refusal)) return null
  if (error.code === 'invalid_request' && error.errors.length > 0) {
    return error.errors.map(({ path, message }) => {
      const [field = ''] = path.split('.')
      return invalid(PARAMETERS[field] ?? path, message)
    })
  }
  return [{ code: CODES[error.code], message: error.message, ...(error.code === 'model_not_found' ? { parameter: 'model' } : {}) }]
}
