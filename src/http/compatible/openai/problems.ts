import { z } from 'zod'
import { FAILURES, withoutTrailing } from '#contract'
import type { FailureCode, GenerationError } from '#contract'
import { vendorsWords } from '../vendors-words.ts'

/** OpenAI's error object. */
export const OpenaiError = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.string(),
      param: z.string().nullable().meta({ description: 'The field that is wrong, as the caller wrote it.' }),
      code: z.string().nullable(),
      moderation_details: z
        .object({ moderation_stage: z.enum(['input', 'output']), categories: z.array(z.string()) })
        .optional()
        .meta({ description: 'Only with `moderation_blocked`.' }),
    }),
  })
  .meta({ id: 'OpenaiError' })
export type OpenaiError = z.infer<typeof OpenaiError>

/** An error on its way out. */
export interface OpenaiProblem {
  readonly status: number
  readonly body: OpenaiError
  /** Sent as `x-should-retry`, which OpenAI's SDKs obey before they read the status. */
  readonly mayRepeat: boolean
  readonly retryAfterSeconds?: number
}

interface Row {
  readonly status: number
  readonly type: string
  readonly code: string
}

/** 424 Failed Dependency: a provider failed in a way that must not be repeated unseen. No client repeats it by itself. */
const DO_NOT_REPEAT = 424

/**
 * Our failure codes in OpenAI's words where it has them, else in our own. Statuses: https://developers.openai.com/docs/guides/error-codes
 * (a stored copy, read 2026-11-21), which prints no bodies; `insufficient_quota` and `moderation_blocked` are as callers reported them:
 * https://github.com/cursor/cursor/issues/1293, https://github.com/jeffstric/ZJT/issues/480 (read 2026-11-21).
 */
const ROWS = {
  invalid_request: { status: 400, type: 'invalid_request_error', code: 'invalid_value' },
  model_not_found: { status: 404, type: 'invalid_request_error', code: 'model_not_found' },
  no_eligible_offer: { status: 400, type: 'invalid_request_error', code: 'no_eligible_offer' },
  unauthorized: { status: 401, type: 'invalid_request_error', code: 'invalid_api_key' },
  provider_unauthorized: { status: 502, type: 'server_error', code: 'provider_unauthorized' },
  insufficient_credit: { status: 429, type: 'insufficient_quota', code: 'insufficient_quota' },
  budget_exceeded: { status: 429, type: 'insufficient_quota', code: 'insufficient_quota' },
  rate_limited: { status: 429, type: 'rate_limit_error', code: 'rate_limit_exceeded' },
  moderated: { status: 400, type: 'image_generation_user_error', code: 'moderation_blocked' },
  provider_rejected: { status: 400, type: 'invalid_request_error', code: 'provider_rejected' },
  provider_unavailable: { status: 503, type: 'server_error', code: 'provider_unavailable' },
  provider_timeout: { status: 504, type: 'server_error', code: 'provider_timeout' },
  bad_reply: { status: 502, type: 'server_error', code: 'bad_reply' },
  result_expired: { status: 502, type: 'server_error', code: 'result_expired' },
  outcome_unknown: { status: 502, type: 'server_error', code: 'outcome_unknown' },
  canceled: { status: DO_NOT_REPEAT, type: 'server_error', code: 'canceled' },
  internal: { status: 500, type: 'server_error', code: 'internal' },
} as const satisfies Record<FailureCode, Row>

/** The run has waited and tried again by itself before it gave up with `rate_limited`. */
const RETRY_AFTER_SECONDS = 10

/** Statuses that clients repeat by themselves: OpenAI's SDKs unless `x-should-retry` forbids it, others whatever it says. */
export const isRepeatedByClients = (status: number): boolean => status === 408 || status === 409 || status === 429 || status >= 500

/** A request that was refused before a generation began; nothing was bought. */
export function refusal(
  code: FailureCode,
  message: string,
  { param = null, as, status }: { readonly param?: string | null; readonly as?: string; readonly status?: number } = {},
): OpenaiProblem {
  const row = ROWS[code]
  const { retryable } = FAILURES[code]
  return {
    status: status ?? row.status,
    body: { error: { message, type: row.type, param, code: as ?? row.code } },
    mayRepeat: retryable,
    ...(code === 'rate_limited' ? { retryAfterSeconds: RETRY_AFTER_SECONDS } : {}),
  }
}

/**
 * A generation that failed. Whatever may have cost money gets a status that no client repeats by itself, as many ignore `x-should-retry`.
 * @param isKeyed the caller sent an Idempotency-Key, so that the same request would only find this failure again
 */
export function failureProblem(error: GenerationError, generationId: string, isKeyed: boolean): OpenaiProblem {
  const row: Row = ROWS[error.code]
  const sold = error.billed !== false
  const cost = error.billed === true ? ' It was billed.' : sold ? ' It may have been billed.' : ''
  const stage =
    error.code === 'moderated' ? { moderation_stage: error.stage === 'output' ? ('output' as const) : ('input' as const) } : null
  const mayRepeat = error.retryable && !sold && !isKeyed
  return {
    status: sold && isRepeatedByClients(row.status) ? DO_NOT_REPEAT : row.status,
    body: {
      error: {
        message: `${withoutTrailing(stage ? moderationOf(error) : withVendorsWords(error.message, error), '.')}.${cost} ${FAILURES[error.code].remedy} Generation ${generationId}.`,
        type: row.type,
        param: null,
        code: row.code,
        ...(stage ? { moderation_details: { ...stage, categories: [...(error.reasons ?? [])] } } : {}),
      },
    },
    mayRepeat,
    ...(error.code === 'rate_limited' && !sold ? { retryAfterSeconds: RETRY_AFTER_SECONDS } : {}),
  }
}

function withVendorsWords(ours: string, error: GenerationError): string {
  const said = vendorsWords(error, ours)
  return said === null ? ours : `${ours} (${said})`
}

const SAFETY_SYSTEM = 'safety system'

/** In OpenAI's words, which clients search for, and the vendor's: those are the whole where they are OpenAI's. */
function moderationOf(error: GenerationError): string {
  if (error.provider_message?.includes(SAFETY_SYSTEM)) return error.provider_message
  const what = error.stage === 'output' ? 'The finished image was withheld' : 'Your request was rejected'
  return withVendorsWords(`${what} by the ${SAFETY_SYSTEM} of ${error.provider ?? 'the provider'}`, error)
}

/**
 * The wait is over, or this gateway stops, and the generation goes on. Only this process knows that the same request would find it: behind a
 * restart, or at another node, whoever repeats by itself buys it again.
 */
export function unfinishedProblem(generationId: string): OpenaiProblem {
  const message =
    `Generation ${generationId} is still running and goes on. Do not ask for it anew: ` +
    `GET /v1/generations/${generationId} answers with its end.`
  return {
    status: DO_NOT_REPEAT,
    body: { error: { message, type: 'server_error', param: null, code: 'still_running' } },
    mayRepeat: false,
  }
}

/** Something of ours broke after the generation had begun; it goes on, or has ended, and may have cost money. */
export function brokenProblem(generationId: string): OpenaiProblem {
  const message = `An unexpected error while answering. GET /v1/generations/${generationId} shows what became of the images.`
  return {
    status: DO_NOT_REPEAT,
    body: { error: { message, type: 'server_error', param: null, code: 'internal' } },
    mayRepeat: false,
  }
}
