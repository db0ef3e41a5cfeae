import { randomUUID } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import fc from 'fast-check'
import sharp from 'sharp'
import { afterEach, describe, expect, test } from 'vitest'
import { OutputFormat, type Failure, type FailureCode, type ImageRef, type Offer, type Order, type Reply } from '#contract'
import { STORIES, type Story } from '#sandbox'
import { inlineBytes } from '../../src/reading/inline-bytes.ts'
import { candidate, isAskable, noOptions, type Candidate } from '../support/examined.ts'
import { loadEmulator, providerFolders } from '../support/installed-providers.ts'
import { legalOrders, plainOrder, sizeNear, tiersOf, withAddress } from '../support/legal-orders.ts'
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
  if (source.kind === 'base64') {
    const bytes = inlineBytes(source.data) ?? Buffer.alloc(0)
    return Buffer.isBuffer(bytes) ? bytes : buffer(bytes)
  }
  const fetched = await session.transport.download(source.url, { maxBytes: MAX_BYTES, silenceMs: 5_000, trustedProvider: provider })
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

/** The failure of a purchase that must have failed: the vendor's last word, or a call that stayed refused. */
function failureOf(end: Purchase['end']): Failure {
  if (end.kind !== 'failed' && end.kind !== 'refused') throw new Error(`not failed: ${JSON.stringify(end)}`)
  return end.failure
}

describe.each(candidates)('the emulator of $id', (examined) => {
  const { id, manifest, adapter, offers } = examined
  const options = noOptions(examined)
  const products = offers.flatMap((offer) => formatsOf(offer).map((format) => ({ offer, model: offer.model, format })))

  test.each(products)('sells $model as a real $format of the ordered size', async ({ offer, format }) => {
    const session = await open(examined)
    const { size: limit } = offer.limits
    const size = limit.kind === 'tier' ? null : { width: sizeNear(limit, 320).width, height: sizeNear(limit, 480).height }
    const ordered = size ?? tiersOf(limit)[0] ?? {}
    const purchase = await session.buy(
      plainOrder(offer, options, { ...ordered, ...(isChoosable(offer) && format !== UNSAID && { outputFormat: format }) }),
    )
    const metadata = await sharp(await fetchBytes(session, id, onlyImage(purchase))).metadata()
    const isKnown = format !== UNSAID
    expect(metadata).toMatchObject({ ...(size ?? ('tier' in ordered ? ordered.tier?.pixels : {})), ...(isKnown && { format }) })
    expect(session.sandbox.submits()).toBe(1)
  })

  test.runIf(manifest.declares.seed_returned)('returns a seed beyond 2^53 with every digit', async () => {
    const session = await open(examined)
    const { seed } = onlyImage(await session.buy(plainOrder(cheapest(examined), options, { seed: '9007199254740993' })))
    expect(seed).toBe('9007199254740993')
  })

  test('returns cost and seed as its manifest declares', async () => {
    const session = await open(examined)
    const offer = cheapest(examined)
    const { end } = await session.buy(plainOrder(offer, options, offer.limits.seed === null ? {} : { seed: '4242' }))
    if (end.kind !== 'done') throw new Error(`not done: ${JSON.stringify(end)}`)
    expect(end.cost !== undefined).toBe(manifest.declares.cost !== 'none')
    expect(end.images.map(({ seed }) => seed)).toEqual([manifest.declares.seed_returned ? '4242' : undefined])
  })

  test.each(offers)('accepts every legal order of $model', async (offer) => {
    const session = await open(examined)
    let accepted = 0
    // Images that come in the reply are drawn before it is: fewer of them, and smaller batches.
    const { inline } = manifest.declares
    const orders = legalOrders(offer, options, inline ? 1_280 : 1_600, inline ? 2 : undefined)
    await fc.assert(
      fc.asyncProperty(orders, async (order) => {
        const outcome = await session.say(adapter.translate(order).call)
        expect(['done', 'pending'], JSON.stringify({ outcome, order })).toContain(outcome.kind)
        accepted += 1
        expect(session.sandbox.submits()).toBe(accepted)
      }),
      { seed: 20_261_121, numRuns: inline ? 8 : 25, endOnFailure: true },
    )
  })

  test.each(offers.flatMap((offer) => illegalOrders(offer, options)))(
    'refuses $model with $fault, and sells nothing',
    async ({ order }) => {
      const session = await open(examined)
      const outcome = await session.say(adapter.translate(order).call)
      expect(failureOf(outcome)).toMatchObject({ code: 'provider_rejected', billed: false })
      expect(session.sandbox.submits()).toBe(0)
    },
  )

  test('refuses a wrong key, and sells nothing', async () => {
    const session = await open(examined, 'a-wrong-key')
    const outcome = await session.say(adapter.translate(plainOrder(cheapest(examined), options)).call)
    expect(failureOf(outcome)).toMatchObject({ code: 'provider_unauthorized', billed: false })
    expect(session.sandbox.submits()).toBe(0)
  })

  test.runIf(manifest.declares.balance)('returns a balance that falls with a purchase, and none to a wrong key', async () => {
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

/** The format of an offer that has no choice of one, and does not say which it delivers. */
const UNSAID = 'image'

const formatsOf = ({ limits: { output_format } }: Offer): readonly (OutputFormat | typeof UNSAID)[] =>
  output_format.values.length > 0 ? output_format.values : [output_format.default ?? UNSAID]

/** A single format is never asked for: there may be no field for it. */
const isChoosable = ({ limits }: Offer): boolean => limits.output_format.values.length > 1

/** Orders that the vendor's own schema refuses; the plan never makes them. */
function illegalOrders(offer: Offer, options: unknown): readonly { fault: string; model: string; order: Order }[] {
  const { limits } = offer
  const range = limits.size.kind === 'range' ? limits.size : null
  const size = range && sizeNear(range, 512)
  const wrong = (fault: string, change: Partial<Order>) => ({ fault, model: offer.model, order: plainOrder(offer, options, change) })
  const { values } = limits.output_format
  const refusedFormat = values.length === 0 ? undefined : OutputFormat.options.find((format) => !values.includes(format))
  return [
    ...(range
      ? [
          wrong('a width below the least', { ...size, width: range.width.min - 32 }),
          wrong('a height below the least', { ...size, height: range.height.min - 32 }),
          wrong('a width of 0', { ...size, width: 0 }),
        ]
      : [
          // A single resolution is never said: there may be no field for it.
          ...(limits.size.kind === 'tier' && limits.size.tiers.length === 1
            ? []
            : [wrong('a tier that is not sold', { tier: { name: '16k', aspectRatio: '1:1' } })]),
          wrong('a shape that is not sold', { tier: { name: tiersOf(limits.size)[0]?.tier?.name ?? '', aspectRatio: '99:1' } }),
        ]),
    ...(limits.safety_tolerance === null ? [] : [wrong('a safety beyond the scale', { safetyTolerance: 7 })]),
    ...(limits.guidance === null ? [] : [wrong('too much guidance', { guidance: limits.guidance.max + 1 })]),
    ...(limits.steps === null ? [] : [wrong('too many steps', { steps: limits.steps.max + 1 })]),
    ...(limits.n.max > 1 ? [wrong('too many images', { count: limits.n.max + 1 })] : []),
    ...(refusedFormat === undefined ? [] : [wrong(`the format ${refusedFormat}`, { outputFormat: refusedFormat })]),
  ]
}

/** What a rehearsal has at hand: buy again at the same emulator, and fetch what was delivered. */
interface Rehearsal {
  readonly examined: Candidate
  readonly session: VendorSession
  readonly order: Order
}

type Rehearse = (rehearsal: Rehearsal) => Promise<void>

/** The purchase fails so; `paid` is how many tasks the vendor took. */
const failsWith =
  (codes: readonly FailureCode[], billed: false | 'not false', paid: number): Rehearse =>
  async ({ session, order }) => {
    const failure = failureOf((await session.buy(order)).end)
    expect(codes).toContain(failure.code)
    if (billed === false) expect(failure.billed).toBe(false)
    else expect(failure.billed).not.toBe(false)
    expect(session.sandbox.submits()).toBe(paid)
  }

/** The task was taken and our submit's reply is gone: found again where the vendor can be asked, else known to be lost. */
const isRecoveredOrLost: Rehearse = async ({ examined, session, order }) => {
  const purchase = await session.buy(order)
  if (examined.manifest.declares.recover) onlyImage(purchase)
  else expect(purchase.end.kind).toBe('lost')
  expect(session.sandbox.submits()).toBe(1)
}

const deliversNoImage: Rehearse = async ({ examined, session, order }) => {
  const image = onlyImage(await session.buy(order))
  await expect(fetchBytes(session, examined.id, image).then((bytes) => sharp(bytes, { failOn: 'truncated' }).stats())).rejects.toThrow()
}

/** The link of a purchase, to be fetched without the transport, byte for byte. */
async function boughtLink({ session, order }: Rehearsal, prompt = order.prompt): Promise<string> {
  const { source } = onlyImage(await session.buy({ ...order, prompt, taskId: randomUUID() }))
  if (source.kind !== 'url') throw new Error('an image in the reply has no link')
  return source.url
}

const isImage = async (answer: Response): Promise<boolean> =>
  sharp(Buffer.from(await answer.arrayBuffer()), { failOn: 'truncated' })
    .stats()
    .then(
      () => true,
      () => false,
    )

/** What is sent of a purchase's image, byte for byte, by whatever way it comes. */
const sourcesIn = ({ end, replies }: Purchase): readonly string[] =>
  end.kind === 'done' && end.images.every(({ source }) => source.kind === 'base64')
    ? end.images.map(({ source }) => (source.kind === 'base64' ? source.data : source.url))
    : linksIn(replies.at(-1))

/** Links to images in a reply, absolute or not, as the vendor wrote them. */
const linksIn = (reply: Reply | undefined): readonly string[] =>
  [...JSON.stringify(reply?.body ?? null).matchAll(/"([^"]*\/[^"]*\.(?:jpe?g|png|webp)(?:\?[^"]*)?)"/g)].map(([, link = '']) => link)

/** In dollars, or in the tokens of images or units where the vendor counts those. */
function billOf({ end }: Purchase): number {
  const cost = end.kind === 'done' ? end.cost : undefined
  if (cost === undefined) return Number.NaN
  if ('units' in cost) return Number(cost.units)
  return 'amount' in cost ? Number(cost.amount) : (cost.tokens.image_output ?? Number.NaN)
}

/** A vendor none of whose words say that it was the output. */
const neverSaysStage = (examined: Candidate): boolean =>
  saysNoStage(examined) &&
  examined.manifest.shape?.name === 'queue-by-returned-urls' &&
  examined.manifest.shape.errors.moderated_texts.every(({ stage }) => stage === undefined)

/** A vendor whose words are of the request or the output, whichever it was. */
const saysNoStage = ({ manifest: { shape } }: Candidate): boolean =>
  shape?.name === 'queue-by-returned-urls' && shape.errors.moderated_texts.some(({ stage }) => stage === undefined)

const REHEARSALS: Readonly<Record<Story, Rehearse>> = {
  moderated: async ({ examined, session, order }) => {
    const { end } = await session.buy(order)
    expect(end).toMatchObject({ kind: 'failed', failure: { code: 'moderated' } })
    expect(failureOf(end).stage).toBe(saysNoStage(examined) ? undefined : 'request')
  },
  'moderated-output': async ({ examined, session, order }) => {
    const { end } = await session.buy(order)
    expect(end).toMatchObject({ kind: 'failed', failure: { code: 'moderated' } })
    expect(failureOf(end).stage).toBe(neverSaysStage(examined) ? undefined : 'output')
    expect(session.sandbox.submits()).toBe(1)
  },
  'rate-limited': async ({ session, order }) => {
    const failure = failureOf((await session.buy(order)).end)
    expect(failure).toMatchObject({ code: 'rate_limited', billed: false, retry_after_ms: 1_000 })
    onlyImage(await session.buy(order))
    expect(session.sandbox.submits()).toBe(1)
  },
  'always-rate-limited': async (rehearsal) => {
    const rehearse = failsWith(['rate_limited'], false, 0)
    await rehearse(rehearsal)
    await rehearse(rehearsal)
  },
  unauthorized: failsWith(['provider_unauthorized'], false, 0),
  'no-credit': failsWith(['insufficient_credit'], false, 0),
  // A vendor of a shape may be a relay: that its own vendor did nothing is known only where the manifest says so.
  unavailable: (rehearsal) => {
    const { shape } = rehearsal.examined.manifest
    const isFree = shape?.name !== 'openai-images' || shape.unbilled_statuses.includes(503)
    return failsWith(['provider_unavailable'], isFree ? false : 'not false', 0)(rehearsal)
  },
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
  never: async ({ examined, session, order }) => {
    const { end } = await session.buy(order, { submitTimeoutMs: 150, maxCalls: 30 })
    expect(end.kind).toBe(isAskable(examined) ? 'pending' : 'lost')
    expect(session.sandbox.submits()).toBe(1)
  },
  vanished: failsWith(['outcome_unknown'], 'not false', 1),
  'unknown-status': async ({ session, order }) => {
    const purchase = await session.buy(order)
    onlyImage(purchase)
    expect(purchase.notes.length).toBeGreaterThan(0)
    expect(session.sandbox.submits()).toBe(1)
  },
  'poll-refused': async ({ examined: { id, adapter }, session, order }) => {
    const submit = adapter.translate(order).call
    const outcome = await session.say(submit)
    const poll = outcome.kind === 'pending' ? outcome.next : adapter.recover?.(submit)
    if (!poll) throw new Error('there is nothing to poll')
    const statuses = []
    for (let polls = 0; polls < 4; polls += 1) {
      const sent = await session.transport.send(id, poll, 5_000)
      statuses.push(sent.kind === 'reply' ? sent.reply.status : sent.kind)
    }
    expect(statuses).toEqual([401, 404, 500, 200])
    expect(session.sandbox.submits()).toBe(1)
  },
  'lost-reply': isRecoveredOrLost,
  half: isRecoveredOrLost,
  garbage: async ({ examined, session, order }) => {
    const { end } = await session.buy(order)
    expect(session.sandbox.submits()).toBe(1)
    if (examined.manifest.declares.recover) expect(end.kind).toBe('done')
    else expect(failureOf(end)).toMatchObject({ code: 'bad_reply', billed: 'unknown' })
  },
  'expired-link': async (rehearsal) => {
    expect([403, 404]).toContain((await fetch(await boughtLink(rehearsal))).status)
  },
  'late-link': async (rehearsal) => {
    const link = await boughtLink(rehearsal, 'a hill sandbox:late-link=700')
    expect([(await fetch(link)).status, (await fetch(link)).status]).toEqual([404, 403])
    await expect.poll(async () => (await fetch(link)).status, { interval: 10 }).toBe(200)
    expect(await isImage(await fetch(link))).toBe(true)
  },
  'flaky-link': async (rehearsal) => {
    const link = await boughtLink(rehearsal)
    expect(await (await fetch(link)).text()).toContain('<html>')
    expect(await (await fetch(link)).text()).toBe('')
    await expect(fetch(link).then((answer) => answer.arrayBuffer())).rejects.toThrow()
    expect(await isImage(await fetch(link))).toBe(true)
  },
  'gzip-link': async (rehearsal) => {
    for (const [parameter, coding] of [
      ['', 'gzip'],
      ['=br', 'br'],
      ['=deflate', 'deflate'],
      ['=chunked', 'aws-chunked'],
    ] as const) {
      const answer = await fetch(await boughtLink(rehearsal, `a hill sandbox:gzip-link${parameter}`))
      expect(answer.headers.get('content-encoding')).toBe(coding)
      expect(await isImage(answer)).toBe(true)
    }
  },
  'range-link': async (rehearsal) => {
    const answer = await fetch(await boughtLink(rehearsal))
    expect(answer.status).toBe(206)
    expect(answer.headers.get('content-range')).toMatch(/^bytes 0-\d+\/\d+$/)
    expect(await isImage(answer)).toBe(true)
  },
  'drip-link': async (rehearsal) => {
    const link = await boughtLink(rehearsal, 'a hill sandbox:drip-link=120')
    const startedAt = performance.now()
    expect(await isImage(await fetch(link))).toBe(true)
    expect(performance.now() - startedAt).toBeGreaterThan(100)
  },
  'odd-link': async ({ session, order }) => {
    const { replies } = await session.buy(order)
    expect(linksIn(replies.at(-1))).toEqual([expect.stringMatching(/^\/[a-z]+\//)])
  },
  'not-an-image': deliversNoImage,
  'half-image': deliversNoImage,
  'other-format': async ({ examined, session, order }) => {
    const chosen = isChoosable(cheapest(examined)) ? ({ outputFormat: 'jpeg' } as const) : {}
    const bytes = await fetchBytes(session, examined.id, onlyImage(await session.buy({ ...order, ...chosen })))
    expect(await sharp(bytes).metadata()).toMatchObject({ format: 'png' })
  },
  'extra-image': async ({ session, order }) => {
    expect(new Set(sourcesIn(await session.buy(order))).size).toBe(2)
  },
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
  'huge-bill': async ({ session, order }) => {
    const usual = billOf(await session.buy({ ...order, prompt: 'a hill', taskId: '00000000-0000-4000-8000-000000000009' }))
    expect(billOf(await session.buy(order)) / usual).toBeCloseTo(1000, 6)
  },
  'zero-bill': async ({ session, order }) => {
    expect(billOf(await session.buy(order))).toBe(0)
  },
}

const LINK_STORIES = ['expired-link', 'late-link', 'flaky-link', 'gzip-link', 'range-link', 'drip-link', 'odd-link'] as const

/** Stories that each emulator says its wire has no words for. */
const unplayed = new Map(
  await Promise.all(
    candidates.map(async ({ id }) => {
      const sandbox = await (await loadEmulator(id))()
      await sandbox.close()
      return [id, sandbox.unplayed] as const
    }),
  ),
)

describe.each(candidates)('the emulator of $id plays', (examined) => {
  const silent = unplayed.get(examined.id) ?? []
  const { declares } = examined.manifest
  const offer = cheapest(examined)
  const ordered = (story: string): Order =>
    withAddress(examined.manifest, plainOrder(offer, noOptions(examined), { prompt: `a hill at noon sandbox:${story}` }))

  test.each(Object.entries(STORIES).filter(([story]) => !silent.includes(story as Story)))('%s: %s', async (story) => {
    const session = await open(examined)
    await REHEARSALS[story as Story]({ examined, session, order: ordered(story) })
  })

  if (silent.length > 0) {
    test.each(silent)('%s as plain success, because its wire has no words for it', async (story) => {
      const session = await open(examined)
      onlyImage(await session.buy(ordered(story)))
    })
  }

  test('every story that its wire can express, by what its manifest declares', () => {
    const excused = new Set<Story>([
      'extra-image',
      ...(declares.batch ? [] : (['partial'] as const)),
      ...(declares.seed_returned ? [] : (['big-seed'] as const)),
      ...(declares.cost === 'none' ? (['huge-bill', 'zero-bill'] as const) : []),
      ...(isAskable(examined) ? [] : (['vanished', 'unknown-status', 'poll-refused'] as const)),
      ...(declares.inline ? LINK_STORIES : []),
    ])
    expect(silent.filter((story) => !excused.has(story))).toEqual([])
  })
})
