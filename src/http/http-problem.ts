import type { ProblemCode } from '#contract'

export interface FieldError {
  /** The field, dotted, as POST /v1/generations has it. */
  readonly path: string
  readonly message: string
}

/** Why a request was not done, before any API puts it into its own shape. */
export interface ProblemDetails {
  readonly code: ProblemCode
  readonly detail: string
  /** Absent: that of the code. */
  readonly status?: number
  readonly errors?: readonly FieldError[]
  readonly generation_id?: string
  /** Sent as Retry-After, in whole seconds. */
  readonly retryAfterMs?: number | null
  /** Why the body could not be read at all: no JSON, or bytes that are no UTF-8. */
  readonly unreadable?: 'json' | 'bytes'
}

/** Thrown by a route; becomes the problem document. */
export class HttpProblem extends Error {
  readonly details: ProblemDetails
  constructor(details: ProblemDetails) {
    super(details.detail)
    this.details = details
  }
}
