import { FAILURES } from '#contract'
import { Refusal } from '../../../core/generation/accept.ts'
import { IdempotencyMismatch } from '../../../core/generation/idempotency.ts'
import type { Issue } from './validators.ts'

/** An error as FastAPI tells it: a sentence, or what is wrong with each field. */
export class BflProblem extends Error {
  readonly status: number
  readonly detail: string | readonly Issue[]
  constructor(status: number, detail: string | readonly Issue[]) {
    super(typeof detail === 'string' ? detail : 'validation error')
    this.status = status
    this.detail = detail
  }
}

export const notAuthenticated = (): BflProblem =>
  new BflProblem(401, 'Not authenticated: send a gateway key of this server in the x-key header')

/** Any error of this door's routes; null where it is none that a caller caused. */
export function problemOf(error: unknown): BflProblem | null {
  if (error instanceof BflProblem) return error
  if (error instanceof Refusal) return problemOfRefusal(error, [])
  if (error instanceof IdempotencyMismatch) {
    const msg = `Value error, ${error.message}; send the same body or another key`
    return new BflProblem(422, [{ loc: ['header', 'Idempotency-Key'], msg, type: 'value_error' }])
  }
  const { code, statusCode } = error as { readonly code?: string; readonly statusCode?: number }
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new BflProblem(413, 'Request Entity Too Large')
  if (error instanceof SyntaxError || (statusCode !== undefined && statusCode >= 400 && statusCode < 500)) {
    return new BflProblem(422, [{ loc: ['body', 0], msg: 'JSON decode error', type: 'json_invalid' }])
  }
  return null
}

/**
 * Why a request was not accepted, in BFL's words.
 * @param slots BFL's field behind each of `reference_images`
 */
export function problemOfRefusal({ code, message, errors }: Refusal, slots: readonly string[]): BflProblem {
  switch (code) {
    case 'invalid_request':
      return new BflProblem(
        422,
        errors.map(({ path, message: msg }) => ({
          loc: ['body', ...fieldOf(path, slots)],
          msg: `Value error, ${msg}`,
          type: 'value_error',
        })),
      )
    case 'no_eligible_offer': {
      const offers = errors.length > 0 ? errors : [{ path: 'offers', message }]
      return new BflProblem(
        422,
        offers.map(({ path, message: reason }) => ({ loc: ['body'], msg: `${path}: ${reason}`, type: 'no_eligible_offer' })),
      )
    }
    case 'model_not_found':
      return new BflProblem(404, 'Not Found')
    default:
      return new BflProblem(FAILURES[code].http, message)
  }
}

/** Our path as BFL's caller wrote it. */
function fieldOf(path: string, slots: readonly string[]): readonly string[] {
  const [field = '', index] = path.split('.')
  if (field === '') return []
  return [field === 'reference_images' ? (slots[Number(index)] ?? 'input_image') : field]
}
