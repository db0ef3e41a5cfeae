import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { launchGateway } from './gateway.ts'
import type { Gateway } from './gateway.ts'

/** What is waited for in vain is given up soon. */
const PATIENCE = { recoverMs: 2_000, linkMs: 2_000, longestLinkMs: 2_000, deadLinkMs: 500 }

let gateway: Gateway
/** What no provider takes is given up soon. */
let hurried: Gateway
beforeAll(async () => {
  gateway = await launchGateway({ patience: PATIENCE })
  hurried = await launchGateway({ patience: PATIENCE, deadlineMs: 4_000 })
})
afterAll(() => Promise.all([gateway.close(), hurried.close()]))

/** In a gateway of its own: a provider that is rate limited for one request is passed over by the others. */
async function alone(request: object): Promise<Generation> {
  const own = await launchGateway({ patience: PATIENCE })
  try {
    return await own.generate(request, { prefer: 'wait=60' })
  } finally {
    await own.close()
  }
}

const PROVIDERS = ['bfl', 'runware', 'vtrix'] as const
const play = (provider: string, story: string, more: object = {}): Promise<Generation> =>
  (story === 'always-rate-limited' ? hurried : gateway).generate(
    { model: `${provider}/flux-2-pro`, prompt: `a harbour sandbox:${story}`, width: 512, height: 512, ...more },
    { prefer: 'wait=60' },
  )

/** What a caller sees of each failure, at each vendor whose wire has it. */
const endings: readonly [story: string, code: string, billed: boolean | 'unknown' | undefined][] = [
  ['moderated', 'moderated', undefined],
  ['moderated-output', 'moderated', undefined],
  ['always-rate-limited', 'rate_limited', false],
  ['unauthorized', 'provider_unauthorized', false],
  ['no-credit', 'insufficient_credit', false],
  ['unavailable', 'provider_unavailable', false],
  ['not-an-image', 'bad_reply', true],
  ['half-image', 'bad_reply', true],
  ['expired-link', 'result_expired', true],
]

describe.concurrent.for(PROVIDERS)('%s,', (provider) => {
  test.concurrent.for(endings)('%s ends as %s', { timeout: 40_000 }, async ([story, code, billed]) => {
    const generation = await play(provider, story)
    expect(generation).toMatchObject({ status: 'failed', images: [], error: { code, provider } })
    if (billed !== undefined) expect(generation.error?.billed).toBe(billed)
    // A cost is what the vendor said, nothing where nothing was sold, or honestly unknown.
    if (generation.error?.billed === false) expect(generation.cost.amount).toBe('0')
    else if (generation.error?.billed === 'unknown') expect(generation.cost).toMatchObject({ amount: null, basis: 'unknown' })
  })

  test.concurrent('a rate limit is waited out where there is no other provider', async () => {
    const generation = await play(provider, 'rate-limited')
    expect(generation).toMatchObject({ status: 'succeeded', attempts: [{ error: { code: 'rate_limited' } }, { status: 'succeeded' }] })
  })

  test.concurrent('a rate limit makes another provider’s turn where there is one', async () => {
    const order = [provider, ...PROVIDERS.filter((other) => other !== provider)]
    const generation = await alone({ prompt: `fallback sandbox:always-rate-limited@${provider}`, provider: { order } })
    expect(generation.attempts.map((attempt) => attempt.provider)).toEqual(order.slice(0, 2))
    expect(generation).toMatchObject({ status: 'succeeded', provider: order[1] })
  })

  test.concurrent('an unknown status is waited through', async () => {
    expect((await play(provider, 'unknown-status')).status).toBe('succeeded')
  })

  test.concurrent('a moderation is never tried elsewhere', async () => {
    const generation = await alone({ prompt: `harbour sandbox:moderated@${provider}`, provider: { order: [provider] } })
    expect(generation.error).toMatchObject({ code: 'moderated', provider })
    expect(generation.attempts).toHaveLength(1)
  })
})

describe.concurrent('a lost reply', () => {
  test.concurrent('is recovered at the vendor that can be asked: one purchase, one image', async () => {
    const generation = await play('runware', 'lost-reply')
    expect(generation).toMatchObject({ status: 'succeeded', cost: { basis: 'billed' } })
    expect(generation.attempts).toHaveLength(1)
  })

  test.concurrent.for(['bfl', 'vtrix'])('at %s is an unknown outcome, bought nowhere else', async (provider) => {
    const generation = await alone({ prompt: 'harbour sandbox:lost-reply', provider: { order: [provider] } })
    expect(generation).toMatchObject({
      status: 'failed',
      error: { code: 'outcome_unknown', billed: 'unknown', retryable: false },
      cost: { amount: null },
    })
    expect(generation.attempts).toHaveLength(1)
  })
})

test.concurrent('a crash of the vendor’s front is not retried and not bought elsewhere, since it may have sold', async () => {
  const generation = await alone({ prompt: 'harbour sandbox:crash', provider: { order: ['bfl'] } })
  expect(generation.attempts).toHaveLength(1)
  expect(generation.error).toMatchObject({ code: 'provider_unavailable', billed: 'unknown' })
})

test.concurrent('a batch of which the last fails is a success that says so', async () => {
  const generation = await play('runware', 'partial', { n: 3 })
  expect(generation).toMatchObject({ status: 'succeeded', warnings: [{ field: 'n', requested: 3, used: 2 }] })
})

test.concurrent('a seed beyond 2^53 keeps every digit', async () => {
  const generation = await play('runware', 'big-seed')
  expect(generation.images[0]?.seed).toMatch(/^\d{17,20}$/)
  expect(Number.isSafeInteger(Number(generation.images[0]?.seed))).toBe(false)
})

test.concurrent('a story that nobody plays is a warning, of the quote too, and a refusal where nothing may be adapted', async () => {
  const warning = {
    code: 'unsupported',
    field: 'prompt',
    requested: 'sandbox:moderatd',
    reason: expect.stringMatching(/sandbox:moderated.+lost-reply/),
  }
  expect(await play('bfl', 'moderatd')).toMatchObject({ status: 'succeeded', warnings: [warning] })
  const body = { model: 'bfl/flux-2-pro', prompt: 'a harbour sandbox:moderatd' }
  const quoted = (await (await gateway.post('/v1/quotes', body)).json()) as { offers: readonly { eligible: boolean; warnings: unknown }[] }
  expect(quoted.offers.find(({ eligible }) => eligible)?.warnings).toEqual([expect.objectContaining(warning)])
  const refused = await gateway.post('/v1/generations', { ...body, on_unsupported: 'reject' })
  expect([refused.status, await refused.text()]).toEqual([422, expect.stringContaining('Did you mean sandbox:moderated?')])
  expect(await play('bfl', 'slow@bfl')).toMatchObject({ status: 'succeeded', warnings: [] })
})
