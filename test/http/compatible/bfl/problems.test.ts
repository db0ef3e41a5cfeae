import { expect, test } from 'vitest'
import { Refusal } from '../../../../src/core/generation/accept.ts'
import { bflProblem } from '../../../../src/http/compatible/bfl/problems.ts'

test.each([
  ['provider_options.bfl.transparent_bg', 'transparent_bg'],
  ['webhook.url', 'webhook_url'],
  ['reference_images.1', 'input_image_2'],
  ['width', 'width'],
])('an error about %s names the field that was written, %s', (path, field) => {
  const refusal = new Refusal('invalid_request', `${path}: wrong`, [{ path, message: 'wrong' }])
  expect(bflProblem(refusal, ['input_image', 'input_image_2'])).toMatchObject({
    status: 422,
    detail: [{ loc: ['body', field], msg: 'Value error, wrong', type: 'value_error' }],
  })
})

test('the reasons of offers name no field that nobody wrote', () => {
  const message = 'provider_options.bfl.transparent_bg: not here; reference_images[1]: too many; provider_options: not as they are'
  const refusal = new Refusal('no_eligible_offer', message, [{ path: 'bfl', message }])
  const text = JSON.stringify(bflProblem(refusal, ['input_image', 'input_image_2']).detail)
  expect(text).not.toMatch(/provider_options|reference_images/)
  expect(text).toContain('transparent_bg: not here; input_image_2: too many')
})
