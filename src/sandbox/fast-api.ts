import type { Fault, FieldProblem } from './fields.ts'
import { json, replyTable, type ReplyTable } from './replies.ts'
import type { WireReply } from './server.ts'

/** One entry of `detail` in a 422 of FastAPI, the framework of many vendors. */
interface FastApiIssue {
  readonly loc: readonly (string | number)[]
  readonly msg: string
  readonly type: string
}

/** What FastAPI answers an error with: a text, or a list of issues. */
export const fastApiDetail = (status: number, detail: unknown): WireReply => json(status, { detail })

/** A 422 with one issue. */
export const fastApiIssue = (...[loc, msg, type]: readonly [FastApiIssue['loc'], string, string]): WireReply =>
  fastApiDetail(422, [{ loc, msg, type }])

/** A 422 with all that is wrong with a body, in the words of pydantic 2. */
export const fastApiInvalid = (problems: readonly FieldProblem[]): WireReply =>
  fastApiDetail(
    422,
    problems.map(({ path, fault }): FastApiIssue => ({ loc: ['body', ...path], ...pydantic(fault) })),
  )

export const fastApiReplies = (own: Partial<ReplyTable>): ReplyTable =>
  replyTable(fastApiDetail, {
    'bad-json': fastApiIssue(['body', 0], 'JSON decode error', 'json_invalid'),
    crash: { status: 500, body: 'Internal Server Error' },
    ...own,
  })

const TYPES = { string: 'string', boolean: 'bool', integer: 'int', number: 'float', list: 'list', object: 'model_attributes' } as const
const NAMES = { ...TYPES, boolean: 'boolean', integer: 'integer', number: 'number', object: 'dictionary' } as const

function pydantic(fault: Fault): Pick<FastApiIssue, 'msg' | 'type'> {
  switch (fault.kind) {
    case 'missing':
      return { msg: 'Field required', type: 'missing' }
    case 'unknown':
      return { msg: 'Extra inputs are not permitted', type: 'extra_forbidden' }
    case 'type':
      if (fault.isFraction) return { msg: 'Input should be a valid integer, got a number with a fractional part', type: 'int_from_float' }
      return { msg: `Input should be a valid ${NAMES[fault.expected]}`, type: `${TYPES[fault.expected]}_type` }
    case 'least':
      return { msg: `Input should be greater than or equal to ${fault.bound}`, type: 'greater_than_equal' }
    case 'most':
      return { msg: `Input should be less than or equal to ${fault.bound}`, type: 'less_than_equal' }
    case 'step':
      return { msg: `Input should be a multiple of ${fault.bound}`, type: 'multiple_of' }
    case 'shortest':
      return { msg: `String should have at least ${fault.bound} character`, type: 'string_too_short' }
    case 'longest':
      return { msg: `String should have at most ${fault.bound} characters`, type: 'string_too_long' }
    case 'choice': {
      const shown = fault.values.map((each) => `'${each}'`)
      return { msg: `Input should be ${shown.slice(0, -1).join(', ')} or ${shown.at(-1)}`, type: 'enum' }
    }
    case 'form':
      return { msg: 'Input should be a valid URL, relative URL without a base', type: 'url_parsing' }
    case 'together':
      return { msg: `Value error, ${fault.words}`, type: 'value_error' }
  }
}
