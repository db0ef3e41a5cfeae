import { z } from 'zod'

interface FailureRow {
  readonly meaning: string
  readonly http: number
  readonly retryable: boolean
  readonly fallback: boolean
  readonly remedy: string
}

/**
 * Every way a generation can fail, closed. One row each: what it means, the HTTP status where the failure is the answer to a request,
 * whether the same request may succeed later, whether another provider may be tried when nothing was bought,
 * and what the caller can do.
 */
export const FAILURES = {
  invalid_request: {
    meaning: 'A field is missing, unknown, or has a value that is not taken; `errors` names each.',
    http: 400,
    retryable: false,
    fallback: false,
    remedy: 'Correct the fields named in `errors`.',
  },
  model_not_found: {
    meaning: 'No model or alias has this name.',
    http: 404,
    retryable: false,
    fallback: false,
    remedy: 'Choose a model listed by GET /v1/models.',
  },
  no_eligible_offer: {
    meaning: 'No provider can do what was asked; `errors` holds the reason of each offer.',
    http: 422,
    retryable: false,
    fallback: false,
    remedy: 'Change what each offer refuses, or allow more providers.',
  },
  unauthorized: {
    meaning: 'No gateway key came, or one that is not known, or one that may not do this.',
    http: 401,
    retryable: false,
    fallback: false,
    remedy: 'Send a valid gateway key as `Authorization: Bearer <key>`.',
  },
  provider_unauthorized: {
    meaning: 'The provider refused its API key.',
    http: 502,
    retryable: false,
    fallback: true,
    remedy: 'The operator must correct this provider’s API key.',
  },
  insufficient_credit: {
    meaning: 'The account at the provider has too little credit.',
    http: 402,
    retryable: false,
    fallback: true,
    remedy: 'The operator must add credit at this provider.',
  },
  budget_exceeded: {
    meaning: 'The quote is more than what is left of this gateway key’s budget.',
    http: 402,
    retryable: false,
    fallback: false,
    remedy: 'Wait for the next budget period or ask for a larger budget.',
  },
  rate_limited: {
    meaning: 'Too many requests: here, or at the provider.',
    http: 429,
    retryable: true,
    fallback: true,
    remedy: 'Try again after the time in Retry-After.',
  },
  moderated: {
    meaning: 'The provider’s safety check refused the request or its result; `stage` and `reasons` say which side and why.',
    http: 422,
    retryable: false,
    fallback: false,
    remedy: 'Change the prompt or the reference images.',
  },
  provider_rejected: {
    meaning: 'The provider refused the request for a reason of its own.',
    http: 422,
    retryable: false,
    fallback: true,
    remedy: 'Change what the provider’s message names.',
  },
  provider_unavailable: {
    meaning: 'The provider does not answer, answers with an error of its own, or is paused.',
    http: 503,
    retryable: true,
    fallback: true,
    remedy: 'Try again later.',
  },
  provider_timeout: {
    meaning: 'The deadline passed before the provider had finished.',
    http: 504,
    retryable: false,
    fallback: false,
    remedy: 'The provider may still finish and bill it; try again when that is acceptable.',
  },
  bad_reply: {
    meaning: 'The provider’s answer could not be read.',
    http: 502,
    retryable: false,
    fallback: false,
    remedy: 'The provider answered in a form we do not know; report it.',
  },
  result_expired: {
    meaning: 'The link to the image ended before the image was stored.',
    http: 502,
    retryable: false,
    fallback: false,
    remedy: 'The image was made and its link expired before it was stored; generate it again.',
  },
  outcome_unknown: {
    meaning: 'The reply to a paid submit was lost, and the provider cannot be asked about it.',
    http: 502,
    retryable: false,
    fallback: false,
    remedy: 'The provider may have made and billed it; check its dashboard before you try again.',
  },
  canceled: { meaning: 'The caller canceled it.', http: 409, retryable: false, fallback: false, remedy: 'It was canceled on request.' },
  internal: {
    meaning: 'An error of this gateway that nobody foresaw.',
    http: 500,
    retryable: true,
    fallback: false,
    remedy: 'Try again; report it with the generation id if it stays.',
  },
} as const satisfies Record<string, FailureRow>

export type FailureCode = keyof typeof FAILURES
export const FailureCode = z.enum(Object.keys(FAILURES) as [FailureCode, ...FailureCode[]]).meta({ id: 'FailureCode' })

/** `"unknown"`: the provider may have charged for it and we do not know. */
export const Billed = z.union([z.boolean(), z.literal('unknown')])
export type Billed = z.infer<typeof Billed>

/** What went wrong, in our words and in the provider's. Never holds a key or a URL with a signature. */
export const Failure = z.object({
  code: FailureCode,
  message: z.string(),
  billed: Billed,
  provider_status: z.union([z.number().int(), z.string()]).nullable().optional(),
  provider_code: z.string().nullable().optional(),
  provider_message: z.string().nullable().optional(),
  stage: z.enum(['request', 'output']).optional().meta({ description: 'Moderation only: which side was refused.' }),
  reasons: z.array(z.string()).optional().meta({ description: 'Moderation only: the provider’s own reasons.' }),
  retry_after_ms: z.number().int().nonnegative().optional(),
})
export type Failure = z.infer<typeof Failure>

/** The failure as a caller sees it inside a generation. */
export const GenerationError = z
  .object({
    code: FailureCode,
    message: z.string(),
    provider: z.string().nullable(),
    provider_status: z.union([z.number().int(), z.string()]).nullable(),
    provider_code: z.string().nullable(),
    provider_message: z.string().nullable(),
    retryable: z.boolean(),
    billed: Billed,
    stage: z.enum(['request', 'output']).optional(),
    reasons: z.array(z.string()).optional(),
  })
  .meta({ id: 'GenerationError' })
export type GenerationError = z.infer<typeof GenerationError>

export function generationError(failure: Failure, provider: string | null): GenerationError {
  return {
    code: failure.code,
    message: failure.message,
    provider,
    provider_status: failure.provider_status ?? null,
    provider_code: failure.provider_code ?? null,
    provider_message: failure.provider_message ?? null,
    retryable: FAILURES[failure.code].retryable && failure.billed === false,
    billed: failure.billed,
    ...(failure.stage ? { stage: failure.stage } : {}),
    ...(failure.reasons ? { reasons: failure.reasons } : {}),
  }
}

/** Another provider may be tried only where this one provably sold nothing and the refusal was its own. */
export const isSafeToFallBack = (failure: Failure): boolean => FAILURES[failure.code].fallback && failure.billed === false

/** A moderated or canceled task, or one whose request was at fault, says nothing of how its provider does. */
export const saysHowProviderDoes = (code: FailureCode | null): boolean => code === null || !NOT_THE_PROVIDERS_FAULT.has(code)

const NOT_THE_PROVIDERS_FAULT: ReadonlySet<FailureCode> = new Set([
  'moderated',
  'canceled',
  'invalid_request',
  'provider_rejected',
  'internal',
])
