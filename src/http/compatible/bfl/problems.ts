import type { FieldError, ProblemDetails } from '../../http-problem.ts'
import { statusOf } from '../../problem.ts'
import { IDEMPOTENCY_KEY, toProblem } from '../../to-problem.ts'
import type { Issue } from './validators.ts'

/** An error as FastAPI writes it: a sentence, or what is wrong with each field. */
export class BflProblem extends Error {
  readonly status: number
  readonly detail: string | readonly Issue[]
  constructor(status: number, detail: string | readonly Issue[]) {
    super(typeof detail === 'string' ? detail : 'validation error')
    this.status = status
    this.detail = detail
  }
}

/**
 * Any error of this API's routes.
 * @param slots BFL's field behind each of `reference_images`
 */
export const bflProblem = (error: unknown, slots: readonly string[] = []): BflProblem =>
  error instanceof BflProblem ? error : reworded(toProblem(error), slots)

/** A problem in BFL's words. It names the fields that BFL's caller wrote. */
export function reworded(details: ProblemDetails, slots: readonly string[]): BflProblem {
  const { code, detail, errors = [], unreadable, status } = details
  switch (code) {
    case 'invalid_request': {
      if (unreadable === 'json')
        return new BflProblem(422, [{ loc: ['body', 0], msg: 'JSON decode error', type: 'json_invalid', ctx: { error: detail } }])
      if (unreadable === 'bytes') return new BflProblem(400, `There was an error parsing the body: ${detail}`)
      // Of a request whose URL or headers are wrong.
      if (status !== undefined && errors.length === 0) return new BflProblem(status, detail)
      const fields = errors.length > 0 ? errors : [{ path: '', message: detail }]
      return new BflProblem(
        422,
        fields.map((field) => issueOf(field, slots)),
      )
    }
    case 'no_eligible_offer': {
      const offers = errors.length > 0 ? errors : [{ path: 'offers', message: detail }]
      return new BflProblem(
        422,
        offers.map(({ path, message }) => ({ loc: ['body'], msg: `${path}: ${inOwnNames(message, slots)}`, type: code })),
      )
    }
    case 'model_not_found':
      return new BflProblem(404, 'Not Found')
    case 'payload_too_large':
      return new BflProblem(413, 'Request Entity Too Large')
    case 'internal':
      return new BflProblem(500, 'Internal Server Error')
    default:
      return new BflProblem(statusOf(details), inOwnNames(detail, slots))
  }
}

const issueOf = ({ path, message }: FieldError, slots: readonly string[]): Issue => ({
  loc: path === IDEMPOTENCY_KEY ? ['header', path] : ['body', ...fieldOf(path, slots)],
  msg: `Value error, ${inOwnNames(message, slots)}`,
  type: 'value_error',
})

/** Our path as BFL's caller wrote it. */
function fieldOf(path: string, slots: readonly string[]): readonly string[] {
  const [field = '', second, third] = path.split('.')
  switch (field) {
    case '':
      return []
    case 'reference_images':
      return [slots[Number(second)] ?? slots[0] ?? 'input_image']
    case 'webhook':
      return ['webhook_url']
    case 'provider_options':
      return third === undefined ? [] : [third]
    default:
      return [field]
  }
}

/** Our names of fields in a sentence, as BFL's caller wrote them. */
const inOwnNames = (text: string, slots: readonly string[]): string =>
  text
    .replaceAll(/provider_options\.\w+\.(\w+)/g, '$1')
    .replaceAll(/(?:these )?provider_options/g, 'transparent_bg and input_image_blob_path')
    .replaceAll(/reference_images(?:[.[](\d+)\]?)?/g, (_, index?: string) => slots[Number(index ?? 0)] ?? 'input_image')
