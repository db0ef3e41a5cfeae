import { buffer } from 'node:stream/consumers'
import fc from 'fast-check'
import sharp from 'sharp'
import { afterEach, describe, expect, test } from 'vitest'
import type { FailureCode, ImageRef, Offer, Order } from '#contract'
import { STORIES, type Story } from '#sandbox'
import { candidate, noOptions, type Candidate } from '../support/examined.ts'
import { loadEmulator, providerFolders } from '../support/installed-providers.ts'
import { legalOrders, plainOrder, sizeNear } from '../support/legal-orders.ts'
import { openSession, type Purchase, type VendorSession } from '../support/vendor-session.ts'

/** Tasks take 4 to 16 ms; the story `slow` 20 times that. */
const TYPICAL_MS = 8
const MAX_BYTES = 64 * 1024 * 1024

const candidates = await Promise.all(providerFolders().map((id) => candidate(id)))
const opened: VendorSession[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((session) => session.close()))
})

async function open({ id, manifest, adapter }: Candidate, key?: string): Promise<VendorSession> {
  const startEmulator = await loadEmulator(id)
  const session = openSession({ id, manifest, adapter }, await startEmulator({ typicalMs: TYPICAL_MS }), key)
  opened.push(session)
  return session
}

async function fetchBytes(session: VendorSession, provider: string, { source }: ImageRef): Promise<Buffer> {
  if (source.kind === 'base64') return Buffer.from(source.data, 'base64')
  const fetched = await session.transport.download(source.url, { maxBytes: MAX_BYTES, timeoutMs: 5_000, trustedProvider: provider })
  if (fetched.kind !== 'body') throw new Error(`the image was ${fetched.kind}`)
  return buffer(fetched.stream)
}

const cheapest = ({ offers }: Candidate): Offer => {
  const [first] = offers
  if (first === undefined) throw new Error('a provider sells something')
  return first
}

/** The image of a purchase that must have gone well. */
function onlyImage({ end }: Purchase): ImageRef {
  if (end.kind !== 'done') throw new Error(`not done: ${JSON.stringify(end)}`)
  const [image] = end.images
  if (image === undefined || end.images.length > 1) throw new Error(`${end.images.length} images`)
  return image
}

describe.each(candidates)('the emulator of $id', (examined) => {
  const { id, manifest, adapter, offers } = examined
  const options = noOptions(examined)
  const products = offers.flatMap((offer) => offer.limits.output_format.values.map((format) => ({ offer, model: offer.model, format })))

  test.each(products)('sells $model as a real $format of the ordered size', async ({ offer, format }) => {
    const session = await open(examined)
    const size = { width: sizeNear(offer.limits.size, 320).width, height: sizeNear(offer.limits.size, 480).height }
    const purchase = await session.buy(plainOrder(offer, options, { ...size, outputFormat: format }))
    const metadata = await sharp(await fetchBytes(session, id, onlyImage(purchase))).metadata()
    expect(metadata).toMatchObject({ ...size, format })
    expect(session.sandbox.submits()).toBe(1)
  })

  test('tells cost and seed as its manifest declares', async () => {
    const session = await open(examined)
    const { end } = await session.buy(plainOrder(cheapest(examined), options, { seed: '4242' }))
    if (end.kind !== 'done') throw new Error(`not done: ${JSON.stringify(end)}`)
    expect(end.cost !== undefined).toBe(manifest.declares.cost !== 'none')
    expect(end.images.map(({ seed }) => seed)).toEqual([manifest.declares.seed_returned ? '4242' : undefined])
  })

  test.each(offers)('accepts every legal order of $model', async (offer) => {
    const session = await open(examined)
    let accepted = 0
    await fc.assert(
      fc.asyncProperty(legalOrders(offer, options, 1_600), async (order) => {
        const outcome = await session.say(adapter.translate(order).call)
        expect(outcome.kind, JSON.stringify({ outcome, order })).not.toBe('failed')
        accepted += 1
        expect(session.sandbox.submits()).toBe(accepted)
      }),
      { seed: 20_261_121, numRuns: 25, endOnFailure: true },
    )
  })

  test.each(offers.flatMap((offer) => illegalOrders(offer, options)))(
    'refuses $model with $fault, and sells nothing',
    async ({ order }) => {
      const session = await open(examined)
      const outcome = await session.say(adapter.translate(order).call)
      expect(outcome).toMatchObject({ kind: 'failed', failure: { code: 'provider_rejected', billed: false } })
      expect(session.sandbox.submits()).toBe(0)
    },
  )

  test('refuses a wrong key, and sells nothing', async () => {
    const session = await open(examined, 'a-wrong-key')
    const outcome = await session.say(adapter.translate(plainOrder(cheapest(examined), options)).call)
    expect(outcome).toMatchObject({ kind: 'failed', failure: { code: 'provider_unauthorized', billed: false } })
    expect(session.sandbox.submits()).toBe(0)
  })

  test.runIf(manifest.declares.balance)('tells a balance that falls with a purchase, and none to a wrong key', async () => {
    const session = await open(examined)
    const ask = async (by: VendorSession) => {
      const call = adapter.account?.('00000000-0000-4000-8000-00000000000b')
      if (call === undefined) throw new Error('no account call')
      const sent = await by.transport.send(id, call, 5_000)
      return sent.kind === 'reply' ? (adapter.readBalance?.(sent.reply) ?? null) : null
    }
    const before = await ask(session)
    await session.buy(plainOrder(cheapest(examined), options))
    const after = await ask(session)
    expect(before).toMatch(/^\d+(\.\d+)?$/)
    expect(after).toMatch(/^\d+(\.\d+)?$/)
    expect(after).not.toBe(before)
    expect(await ask(await open(examined, 'a-wrong-key'))).toBeNull()
  })

  test('plays a story meant for another vendor as plain success', async () => {
    const session = await open(examined)
    onlyImage(await session.buy(plainOrder(cheapest(examined), options, { prompt: 'a hill sandbox:moderated@somebody-else' })))
  })

  test('sells two tasks for two submits', async () => {
    const session = await open(examined)
    const order = plainOrder(cheapest(examined), options)
    await Promise.all([session.buy(order), session.buy({ ...order, taskId: '00000000-0000-4000-8000-000000000002' })])
    expect(session.sandbox.submits()).toBe(2)
  })
})

/** Orders that the vendor's own schema refuses; the plan never makes them. */
function illegalOrders(offer: Offer, options: unknown): readonly { fault: string; model: string; order: Order }[] {
  const { limits } = offer
  const size = sizeNear(limits.size, 512)
  const wrong = (fault: string, change: Partial<Order>) => ({ fault, model: offer.model, order: plainOrder(offer, options, change) })
  const refusedFormat = (['jpeg', 'png', 'webp'] as const).find((format) => !limits.output_format.values.includes(format))
  return [
    wrong('a width below the least', { ...size, width: limits.size.width.min - 32 }),
    wrong('a height below the least', { ...size, height: limits.size.height.min - 32 }),
    wrong('a width of 0', { ...size, width: 0 }),
    wrong('a safety beyond the scale', { safetyTolerance: 7 }),
    ...(limits.guidance === null ? [] : [wrong('too much guidance', { guidance: limits.guidance.max + 1 })]),
    ...(limits.steps === null ? [] : [wrong('too many steps', { steps: limits.steps.max + 1 })]),
    ...(limits.n.max > 1 ? [wrong('too many images', { count: limits.n.max + 1 })] : []),
    ...(refusedFormat === undefined ? [] : [wrong(`the format ${refusedFormat}`, { outputFormat: refusedFormat })]),
  ]
}

/** What a rehearsal has at hand: buy again at the same emulator, and look at what was delivered. */
interface Rehearsal {
  readonly examined: Candidate
  readonly session: VendorSession
  readonly order: Order
}

type Play = (rehearsal: Rehearsal) => Promise<void>

/** The purchase fails so; `paid` is how many tasks the vendor took. */
const failsWith =
  (codes: readonly FailureCode[], billed: false | 'not false', paid: number, details: object = {}): Play =>
  async ({ session, order }) => {
    const { end } = await session.buy(order)
    if (end.kind !== 'failed') throw new Error(`not failed: ${JSON.stringify(end)}`)
    expect(codes).toContain(end.failure.code)
    if (billed === false) expect(end.failure.billed).toBe(false)
    else expect(end.failure.billed).not.toBe(false)
    expect(end.failure).toMatchObject(details)
    expect(session.sandbox.submits()).toBe(paid)
  }

/** The task was taken and our submit's reply is gone: found again where the vendor can be asked, else known to be lost. */
const isRecoveredOrLost: Play = async ({ examined, session, order }) => {
  const purchase = await session.buy(order)
  if (examined.manifest.declares.recover) onlyImage(purchase)
  else expect(purchase.end.kind).toBe('lost')
  expect(session.sandbox.submits()).toBe(1)
}

const deliversNoImage: Play = async ({ examined, session, order }) => {
  const image = onlyImage(await session.buy(order))
  await expect(fetchBytes(session, examined.id, image).then((bytes) => sharp(bytes, { failOn: 'truncated' }).stats())).rejects.toThrow()
}

const PLAYS: Readonly<Record<Story, Play>> = {
  moderated: async ({ session, order }) => {
    const { end } = await session.buy(order)
    expect(end).toMatchObject({ kind: 'failed', failure: { code: 'moderated', stage: 'request' } })
  },
  'moderated-output': async ({ session, order }) => {
    const { end } = await session.buy(order)
    expect(end).toMatchObject({ kind: 'failed', failure: { code: 'moderated', stage: 'output' } })
    expect(session.sandbox.submits()).toBe(1)
  },
  'rate-limited': async ({ session, order }) => {
    const { end } = await session.buy(order)
    expect(end).toMatchObject({ kind: 'failed', failure: { code: 'rate_limited', billed: false, retry_after_ms: 1_000 } })
    onlyImage(await session.buy(order))
    expect(session.sandbox.submits()).toBe(1)
  },
  'always-rate-limited': async (rehearsal) => {
    const play = failsWith(['rate_limited'], false, 0)
    await play(rehearsal)
    await play(rehearsal)
  },
  unauthorized: failsWith(['provider_unauthorized'], false, 0),
  'no-credit': failsWith(['insufficient_credit'], false, 0),
  unavailable: failsWith(['provider_unavailable'], false, 0),
  crash: failsWith(['provider_unavailable', 'outcome_unknown'], 'not false', 0),
  error: async ({ session, order }) => {
    const { end } = await session.buy(order)
    if (end.kind !== 'failed') throw new Error(`not failed: ${JSON.stringify(end)}`)
    expect(['provider_rejected', 'provider_unavailable']).toContain(end.failure.code)
    expect(session.sandbox.submits()).toBe(1)
  },
  slow: async ({ session, order }) => {
    const purchase = await session.buy(order)
    onlyImage(purchase)
    expect(purchase.ms).toBeGreaterThan(TYPICAL_MS * 0.5 * 20 * 0.95)
  },
  never: async ({ session, order }) => {
    const { end } = await session.buy(order, { submitTimeoutMs: 150, maxCalls: 30 })
    expect(end.kind).toBe('pending')
    expect(session.sandbox.submits()).toBe(1)
  },
  vanished: failsWith(['outcome_unknown'], 'not false', 1),
  'unknown-status': async ({ session, order }) => {
    const purchase = await session.buy(order)
    onlyImage(purchase)
    expect(purchase.notes.length).toBeGreaterThan(0)
    expect(session.sandbox.submits()).toBe(1)
  },
  'lost-reply': isRecoveredOrLost,
  half: isRecoveredOrLost,
  garbage: async ({ examined, session, order }) => {
    const { end } = await session.buy(order)
    if (examined.manifest.declares.recover) expect(end.kind).toBe('done')
    else expect(end).toMatchObject({ kind: 'failed', failure: { code: 'bad_reply', billed: 'unknown' } })
  },
  'expired-link': async ({ examined: { id }, session, order }) => {
    const { source } = onlyImage(await session.buy(order))
    if (source.kind !== 'url') throw new Error('an image in the reply has no link that expires')
    const fetched = await session.transport.download(source.url, { maxBytes: MAX_BYTES, timeoutMs: 5_000, trustedProvider: id })
    expect(fetched.kind).toBe('expired')
  },
  'not-an-image': deliversNoImage,
  'half-image': deliversNoImage,
  partial: async ({ session, order }) => {
    const { end } = await session.buy({ ...order, count: 3 })
    if (end.kind !== 'done') throw new Error(`not done: ${JSON.stringify(end)}`)
    expect(end.images).toHaveLength(2)
    expect(end.failures).toHaveLength(1)
    expect(session.sandbox.submits()).toBe(1)
  },
  'big-seed': async ({ session, order }) => {
    const { seed = '0' } = onlyImage(await session.buy(order))
    expect(BigInt(seed)).toBeGreaterThan(BigInt(Number.MAX_SAFE_INTEGER))
    expect(String(Number(seed)), 'a double would have lost its digits').not.toBe(seed)
  },
}

/** Stories for which this vendor's wire has no words. Everything else must be played. */
const untellable = ({ manifest: { declares } }: Candidate): readonly Story[] => [
  ...(declares.batch ? [] : (['partial'] as const)),
  ...(declares.seed_returned ? [] : (['big-seed'] as const)),
]

describe.each(candidates)('the emulator of $id plays', (examined) => {
  const silent = untellable(examined)
  const offer = cheapest(examined)
  const told = (story: string): Order => plainOrder(offer, noOptions(examined), { prompt: `a hill at noon sandbox:${story}` })

  test.each(Object.entries(STORIES).filter(([story]) => !silent.includes(story as Story)))('%s: %s', async (story) => {
    const session = await open(examined)
    await PLAYS[story as Story]({ examined, session, order: told(story) })
  })

  if (silent.length > 0) {
    test.each(silent)('%s as plain success, because its wire cannot tell it', async (story) => {
      const session = await open(examined)
      onlyImage(await session.buy(told(story)))
    })
  }
})
