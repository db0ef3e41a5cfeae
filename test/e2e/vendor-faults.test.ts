import { describe, test } from 'vitest'
import type { Generation } from '#contract'
import { startGateway } from '../../src/gateway/start.ts'
import { startVendors } from '../crash/vendors.ts'
import type { Purpose, Treatment } from '../support/vendor-front.ts'
import { FIXTURE_PROVIDERS } from './gateway.ts'

const PROVIDERS = ['bfl', 'runware', 'vtrix'] as const
type ProviderId = (typeof PROVIDERS)[number]

const FAULTS: Readonly<Record<string, Treatment>> = {
  slow: { kind: 'slow', ms: 800 },
  half: { kind: 'half' },
  reset: { kind: 'reset' },
  garbage: { kind: 'garbage' },
}
const PURPOSES = ['submit', 'poll', 'image'] as const

/** The vendor's first reply of this purpose is spoilt on its way; every other arrives. */
async function buyThrough(provider: ProviderId, purpose: Purpose, treatment: Treatment): Promise<object> {
  const vendors = await startVendors({ providers: [provider], typicalMs: 30 })
  const folder = vendors.folder()
  const front = vendors.front(provider)
  let spoilt = 0
  front.treat = (visit) => (visit.purpose === purpose && spoilt++ === 0 ? treatment : { kind: 'pass' })
  const server = await startGateway({
    env: folder.environment,
    overrides: {
      port: 0,
      quiet: true,
      providers: FIXTURE_PROVIDERS,
      patience: { recoverMs: 2_000, linkMs: 10_000, longestLinkMs: 10_000, deadLinkMs: 2_000 },
    },
  })
  try {
    const polled = provider === 'runware' && purpose === 'poll' ? { provider_options: { runware: { deliveryMethod: 'async' } } } : {}
    const reply = await fetch(`${server.url}/v1/generations`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', prefer: 'wait=60' },
      body: JSON.stringify({ model: `${provider}/flux-2-pro`, prompt: 'a harbour', width: 256, height: 256, ...polled }),
    })
    const { status, error, images, cost } = (await reply.json()) as Generation
    return {
      status,
      code: error?.code ?? null,
      images: images.length,
      basis: cost.basis,
      bought: vendors.submits(provider),
      wasSpoilt: spoilt > 0,
    }
  } finally {
    await server.close()
    await vendors.close()
    folder.remove()
  }
}

const DELIVERED = { status: 'succeeded', code: null, images: 1, basis: 'billed', bought: 1, wasSpoilt: true }
const bought = (code: string, basis: string) => ({ status: 'failed', code, images: 0, basis, bought: 1, wasSpoilt: true })

/** What differs from an image delivered once and paid once. */
const EXPECTED: Readonly<Record<ProviderId, Readonly<Record<string, object>>>> = {
  bfl: {
    'half at submit': bought('outcome_unknown', 'unknown'),
    'reset at submit': bought('outcome_unknown', 'unknown'),
    'garbage at submit': bought('bad_reply', 'unknown'),
  },
  // A lost or unreadable reply is asked for again by the id that we chose.
  runware: {},
  vtrix: {
    'half at submit': bought('outcome_unknown', 'unknown'),
    'reset at submit': bought('outcome_unknown', 'unknown'),
    'garbage at submit': bought('bad_reply', 'unknown'),
  },
}

describe.concurrent('one spoilt reply', () => {
  test.concurrent.for(PROVIDERS)(
    'of %s at any call buys nothing twice, and loses nothing that can be had',
    { timeout: 60_000 },
    async (provider, { expect }) => {
      const cases = PURPOSES.flatMap((purpose) =>
        Object.entries(FAULTS).map(([fault, treatment]) => ({ name: `${fault} at ${purpose}`, purpose, treatment })),
      )
      const ends = await Promise.all(
        cases.map(async ({ name, purpose, treatment }) => [name, await buyThrough(provider, purpose, treatment)] as const),
      )
      expect(Object.fromEntries(ends)).toEqual(Object.fromEntries(cases.map(({ name }) => [name, EXPECTED[provider][name] ?? DELIVERED])))
    },
  )
})
