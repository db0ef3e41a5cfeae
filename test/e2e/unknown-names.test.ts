import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Problem } from '#contract'
import { useRealSockets } from '../transport/real-sockets.ts'
import { launchProcess } from './gateway-process.ts'
import type { GatewayProcess } from './gateway-process.ts'
import { json } from './gateway.ts'

useRealSockets()

const [WHOLE, LIMITED] = ['a-secret-of-the-whole-team', 'a-secret-of-a-limited-key']
const asWhole = { authorization: `Bearer ${WHOLE}` }
const hash = (secret: string) => createHash('sha256').update(secret).digest('hex')
const CONFIG = `models: { brand-style: { model: flux-2-flex } }
providers: { vtrix: { enabled: false } }
keys: [{ name: whole, key_hash: ${hash(WHOLE)} }, { name: limited, key_hash: ${hash(LIMITED)}, models: [flux-2-pro] }]
`
let gateway: GatewayProcess
beforeAll(async () => {
  gateway = await launchProcess({ config: CONFIG })
}, 120_000)
afterAll(() => gateway.close())

const BODY = { model: 'flux-2-pro', prompt: 'a lighthouse' }
const PATHS = ['/v1/generations', '/v1/quotes', '/v1/comparisons'] as const

async function refused(path: string, body: object): Promise<Problem> {
  const reply = await gateway.post(path, body, asWhole)
  expect(reply.headers.get('content-type')).toContain('problem+json')
  return { ...(await json<Problem>(reply)), status: reply.status }
}
const bought = async (): Promise<number> =>
  (await json<{ readonly data: readonly unknown[] }>(await gateway.ask('/v1/generations', { headers: asWhole }))).data.length

describe.each(PATHS)('a name nobody knows, sent to %s', (path) => {
  test.each(['order', 'only', 'ignore'] as const)('in provider.%s is refused with the nearest provider', async (field) => {
    const problem = await refused(path, { ...BODY, provider: { [field]: ['bfl', 'runwear'] } })
    expect(problem).toMatchObject({
      status: 400,
      code: 'invalid_request',
      errors: [{ path: `provider.${field}.1`, message: 'there is no provider "runwear"; did you mean "runware"?' }],
    })
    expect(problem.detail).toContain('did you mean "runware"?')
  })

  test.each([
    ['flux-2-prp', 'flux-2-pro'],
    ['flux-pro-1.1', 'flux-1.1-pro'],
    ['black-forest-labs/flux.2-pro', 'flux-2-pro'],
    ['black-forest-labs/flux-1.1-pro', 'flux-1.1-pro'],
    ['fal-ai/flux-pro/v1.1', 'flux-1.1-pro'],
    ['bfl:5@1', 'flux-2-pro'],
    ['FLUX.2 [pro]', 'flux-2-pro'],
    ['runwear/flux-2-pro', 'runware/flux-2-pro'],
    ['bfl/flux-pro-1.1', 'bfl/flux-1.1-pro'],
    ['brand_style', 'brand-style'],
    // An alias takes no provider in front.
    ['bfl/brand-style', 'brand-style'],
  ])('as the model %s is answered with ours', async (model, ours) => {
    expect(await refused(path, { ...BODY, model })).toMatchObject({
      status: 404,
      code: 'model_not_found',
      detail: expect.stringContaining(`did you mean "${ours}"?`),
    })
  })

  test('as a model that is like none of ours is answered with all of ours', async () => {
    const { status, detail } = await refused(path, { ...BODY, model: 'dall-e-3' })
    expect(status).toBe(404)
    expect(detail).toMatch(/There is no model "dall-e-3"; there are .*flux-1\.1-pro, .*flux-2-flex, .*flux-2-pro, .*brand-style/)
  })

  test.each([
    ['size', 'use width and height'],
    ['image_size', 'use width and height'],
    ['num_images', 'use n'],
    ['num_inference_steps', 'use steps'],
    ['guidance_scale', 'use guidance'],
    ['image_url', 'use reference_images'],
    ['response_format', 'output_format'],
    ['negative_prompt', 'say in prompt'],
    ['widht', 'did you mean "width"?'],
  ])('as the field %s is answered with ours', async (field, ours) => {
    expect(await refused(path, { ...BODY, [field]: 'x' })).toMatchObject({
      status: 400,
      code: 'invalid_request',
      errors: [{ path: field, message: expect.stringContaining(ours) }],
    })
  })
})

test('a comparison’s own list names a provider that is not installed: nothing is bought', async () => {
  const before = await bought()
  expect(await refused('/v1/comparisons', { ...BODY, providers: ['bfl', 'vtrx'] })).toMatchObject({
    status: 400,
    errors: [{ path: 'providers.1', message: 'there is no provider "vtrx"; did you mean "vtrix"?' }],
  })
  expect(await bought()).toBe(before)
})

test('a provider that is installed and disabled is refused with its reason', async () => {
  const { status, code, errors = [] } = await refused('/v1/generations', { ...BODY, provider: { only: ['vtrix'] } })
  expect([status, code]).toEqual([422, 'no_eligible_offer'])
  expect(errors.find(({ path }) => path === 'vtrix')?.message).toContain('switched off')
})

test.each([
  ['/v1/models/flux-2-prp', 404, 'did you mean "flux-2-pro"?'],
  ['/v1/models/vtrix/flux-2-flex', 404, 'vtrix does not sell flux-2-flex, which is sold by bfl, runware'],
  ['/v1/generations?model=flux-2-prp', 400, 'did you mean "flux-2-pro"?'],
  ['/v1/generations?provider=runwear', 400, 'did you mean "runware"?'],
  ['/v1/costs?provider=runwear', 400, 'did you mean "runware"?'],
])('GET %s is answered with %i and the nearest right name', async (path, status, text) => {
  const reply = await gateway.ask(path, { headers: asWhole })
  expect([reply.status, (await json<Problem>(reply)).detail]).toEqual([status, expect.stringContaining(text)])
})

test('the OpenAI-compatible API and agents are answered with the nearest right name too', async () => {
  const openai = await gateway.post('/v1/images/generations', { model: 'flux-pro-1.1', prompt: 'a lighthouse' }, asWhole)
  expect([openai.status, await openai.text()]).toEqual([404, expect.stringContaining('flux-1.1-pro')])
  const call = async (name: string, args: object) => {
    const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: args } }
    return (await gateway.post('/mcp', body, { ...asWhole, accept: 'application/json, text/event-stream' })).text()
  }
  expect(await call('quote', { ...BODY, model: 'flux-2-prp' })).toContain('flux-2-pro')
  expect(await call('list_models', { model: 'flux-pro-1.1' })).toContain('flux-1.1-pro')
  expect(await call('compare', { ...BODY, providers: ['bfl', 'vtrx'], max_price_usd: '5', wait_seconds: 0 })).toContain('vtrix')
})

test('a key is proposed only models that it may use', async () => {
  const reply = await gateway.post('/v1/quotes', { ...BODY, model: 'flux-pro-1.1' }, { authorization: `Bearer ${LIMITED}` })
  const { detail } = await json<Problem>(reply)
  expect(reply.status).toBe(404)
  expect(detail).toContain('flux-2-pro')
  expect(detail).not.toMatch(/flux-1\.1-pro|flux-2-flex/)
})

test('none of these bought anything', async () => {
  expect(await bought()).toBe(0)
})
