import OpenAI from 'openai'
import { describe, expect, test } from 'vitest'
import { FAILURES, generationError } from '#contract'
import type { Billed, FailureCode } from '#contract'
import {
  brokenProblem,
  failureProblem,
  isRepeatedByClients,
  OpenaiError,
  refusal,
  unfinishedProblem,
} from '../../../../src/http/compatible/openai/problems.ts'
import { errorOfFailure } from '../../../../src/http/compatible/runware/task-error.ts'

const CODES = Object.keys(FAILURES) as FailureCode[]
const BILLED: readonly Billed[] = [true, false, 'unknown']
const failed = (code: FailureCode, billed: Billed, isKeyed = false) =>
  failureProblem(generationError({ code, message: 'it broke', billed }, 'someone'), 'gen_1', isKeyed)

describe('a failed generation', () => {
  test.for(CODES.flatMap((code) => BILLED.map((billed) => [code, billed] as const)))(
    '%s, billed %s: what may have cost money is repeated by no client, and may be repeated only where it cost nothing',
    ([code, billed]) => {
      const problem = failed(code, billed)
      expect(OpenaiError.parse(problem.body)).toEqual(problem.body)
      expect(problem.body.error.message).toContain('gen_1')
      if (billed === false) expect(problem.mayRepeat).toBe(FAILURES[code].retryable)
      else {
        expect(isRepeatedByClients(problem.status)).toBe(false)
        expect(problem.mayRepeat).toBe(false)
      }
    },
  )

  test('is not worth repeating with the same Idempotency-Key, which would find it again', () => {
    expect(failed('provider_unavailable', false).mayRepeat).toBe(true)
    expect(failed('provider_unavailable', false, true).mayRepeat).toBe(false)
  })

  test.for([
    ['invalid_request', 400, 'invalid_request_error', 'invalid_value'],
    ['model_not_found', 404, 'invalid_request_error', 'model_not_found'],
    ['no_eligible_offer', 400, 'invalid_request_error', 'no_eligible_offer'],
    ['unauthorized', 401, 'invalid_request_error', 'invalid_api_key'],
    ['provider_unauthorized', 502, 'server_error', 'provider_unauthorized'],
    ['insufficient_credit', 429, 'insufficient_quota', 'insufficient_quota'],
    ['budget_exceeded', 429, 'insufficient_quota', 'insufficient_quota'],
    ['rate_limited', 429, 'rate_limit_error', 'rate_limit_exceeded'],
    ['moderated', 400, 'image_generation_user_error', 'moderation_blocked'],
    ['provider_rejected', 400, 'invalid_request_error', 'provider_rejected'],
    ['provider_unavailable', 503, 'server_error', 'provider_unavailable'],
    ['provider_timeout', 504, 'server_error', 'provider_timeout'],
    ['bad_reply', 502, 'server_error', 'bad_reply'],
    ['result_expired', 502, 'server_error', 'result_expired'],
    ['outcome_unknown', 502, 'server_error', 'outcome_unknown'],
    ['canceled', 424, 'server_error', 'canceled'],
    ['internal', 500, 'server_error', 'internal'],
  ] as const)('%s that cost nothing is %i %s %s', ([code, status, type, openaiCode]) => {
    const { status: actual, body } = failed(code, false)
    expect([actual, body.error.type, body.error.code]).toEqual([status, type, openaiCode])
  })

  test('a rate limit alone says how long to wait', () => {
    expect(CODES.filter((code) => failed(code, false).retryAfterSeconds !== undefined)).toEqual(['rate_limited'])
    expect(refusal('rate_limited', 'x').retryAfterSeconds).toBeGreaterThan(0)
  })

  test('a refused image has the stage and the provider’s reasons', () => {
    const error = generationError({ code: 'moderated', message: 'no', billed: true, stage: 'output', reasons: ['gore'] }, 'someone')
    const { error: shown } = failureProblem(error, 'gen_1', false).body
    expect(shown.moderation_details).toEqual({ moderation_stage: 'output', categories: ['gore'] })
    expect(shown.message).toContain('It was billed.')
  })

  test.each([
    ['request', null, 'Your request was rejected by the safety system of someone.'],
    ['output', 'Flagged.', 'The finished image was withheld by the safety system of someone (Flagged.).'],
    ['request', 'Refused by the safety system.', 'Refused by the safety system.'],
  ] as const)('moderation at the %s, of which the provider says %j, is said once', (stage, provider_message, expected) => {
    const failure = { code: 'moderated', message: 'Someone’s moderation refused it', billed: false, stage, provider_message } as const
    const { message } = failureProblem(generationError(failure, 'someone'), 'gen_1', false).body.error
    expect(message).toBe(`${expected} ${FAILURES.moderated.remedy} Generation gen_1.`)
  })

  test('the provider’s words are said once, where ours hold them too', () => {
    const failure = {
      code: 'insufficient_credit',
      message: 'Someone: No credit left.',
      billed: false,
      provider_message: 'No credit left.',
    } as const
    const error = generationError(failure, 'someone')
    expect(failureProblem(error, 'gen_1', false).body.error.message).toMatch(/^Someone: No credit left\. The operator must/)
    expect(errorOfFailure(error).message).toBe('Someone: No credit left.')
    expect(errorOfFailure({ ...error, message: 'The account is empty' }).message).toBe('The account is empty: No credit left.')
  })
})

test('every table entry gives the SDK an error of its own class with code, type and param', () => {
  for (const code of CODES) {
    const { status, body } = refusal(code, 'm', { param: 'p' })
    const error = OpenAI.APIError.generate(status, body, undefined, new Headers())
    expect(error).toMatchObject({ status, code: body.error.code, type: body.error.type, param: 'p', message: `${status} m` })
  }
})

test('a generation that goes on, or whose answer broke, is never to be asked for anew', () => {
  for (const problem of [unfinishedProblem('gen_1'), brokenProblem('gen_1')]) {
    expect(problem.mayRepeat).toBe(false)
    expect(problem.body.error.message).toContain('/v1/generations/gen_1')
  }
  expect(unfinishedProblem('gen_1').status).toBe(424)
})
