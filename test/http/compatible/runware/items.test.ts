import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { generationError, sumUsd } from '#contract'
import type { AttemptRecord, GenerationRecord } from '../../../../src/core/records.ts'
import { imageIdOf, imageUuidOf } from '../../../../src/http/compatible/runware/image-uuid.ts'
import { base64From } from '../../../../src/http/inline-images.ts'
import { deliveredImages, imageItem, processingItems, undelivered } from '../../../../src/http/compatible/runware/items.ts'
import type { Wanted } from '../../../../src/http/compatible/runware/to-request.ts'
import { attemptRecord, generationRecord, imageRecord } from '../../../store/records.ts'
import { plainLinks } from '../../../../src/core/present/image-link.ts'

const wanted: Wanted = { taskUUID: 'u', outputTypes: ['URL'], includeCost: true }
const assets = { read: async () => Buffer.from('image') }
const settled = (amount: string | null): Partial<AttemptRecord> => ({
  endedAt: 2,
  settled: { amount, basis: amount === null ? 'unknown' : 'billed', lines: [] },
})

function batch(amount: string | null, count: number, overrides: Partial<GenerationRecord> = {}): GenerationRecord {
  const ids = Array.from({ length: count }, (_, index) => `img_${index}`)
  return generationRecord('gen_1', {
    status: 'succeeded',
    request: { model: 'flux-2-pro', prompt: 'a', n: count },
    attempts: [attemptRecord('att_1', { images: count, imageIds: ids, ...settled(amount) })],
    images: ids.map((id) => imageRecord(id, 'gen_1')),
    ...overrides,
  })
}

const texts = async (record: GenerationRecord, want: Wanted = wanted) =>
  Promise.all(
    record.images.map(async (image) =>
      JSON.stringify(await imageItem(record, image, want, { links: plainLinks('http://x'), inBase64: base64From(assets) })),
    ),
  )

describe('a result', () => {
  test('has seed and cost as numbers of exactly our digits', async () => {
    const [item = ''] = await texts(batch('0.045', 1))
    expect(item).toContain('"seed":18446744073709551615,')
    expect(item).toContain('"cost":0.045}')
    expect(JSON.parse(item)).toMatchObject({
      taskType: 'imageInference',
      taskUUID: 'u',
      imageURL: 'http://x/v1/images/img_0.jpg',
      NSFWContent: false,
    })
  })

  test('leaves out what is not known or not asked for', async () => {
    expect((await texts(batch(null, 1)))[0]).not.toContain('cost')
    expect((await texts(batch('1', 1), { ...wanted, includeCost: false }))[0]).not.toContain('cost')
    const bare = batch('1', 1, { images: [imageRecord('img_0', 'gen_1', { seed: null, flagged: null })] })
    expect(JSON.parse((await texts(bare))[0] ?? '')).toEqual({
      taskType: 'imageInference',
      taskUUID: 'u',
      imageUUID: imageUuidOf('img_0'),
      imageURL: 'http://x/v1/images/img_0.jpg',
      cost: 1,
    })
  })

  test('has its share of what its task cost, and the shares sum to the whole', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 20 }), fc.bigInt({ min: 0n, max: 10n ** 13n }), async (count, nano) => {
        const digits = nano.toString().padStart(10, '0')
        const amount = `${digits.slice(0, -9)}.${digits.slice(-9)}`
        const shares = (await texts(batch(amount, count))).map((item) => /"cost":([\d.]+)/.exec(item)?.[1] ?? '')
        expect(sumUsd(shares)).toBe(sumUsd([amount]))
      }),
      { numRuns: 40 },
    )
  })

  test('carries bytes as asked, and the link where they are not here', async () => {
    const base64 = Buffer.from('image').toString('base64')
    const both = { ...wanted, outputTypes: ['base64Data', 'dataURI'] as const }
    expect(JSON.parse((await texts(batch('1', 1), both))[0] ?? '')).toMatchObject({
      imageBase64Data: base64,
      imageDataURI: `data:image/jpeg;base64,${base64}`,
    })
    const link = { url: 'https://vendor.example/a.jpg', expiresAt: null }
    const linked = batch('1', 1, { images: [imageRecord('img_0', 'gen_1', { sha256: null, format: null, link })] })
    expect(JSON.parse((await texts(linked, both))[0] ?? '')).toMatchObject({ imageURL: link.url })
  })
})

describe('undelivered', () => {
  const error = generationError({ code: 'provider_rejected', message: 'no', billed: false }, 'x')

  test('is one error for a generation without images', () => {
    const record = batch('0', 0, { status: 'failed', request: { model: 'm', prompt: 'a', n: 3 }, error })
    expect(undelivered(record, wanted)).toEqual([
      { code: 'unsupportedByProvider', message: 'no', taskType: 'imageInference', taskUUID: 'u' },
    ])
  })

  test('is one error for each missing image of a part', () => {
    const attempts = [
      attemptRecord('att_1', { imageIds: ['img_0'], ...settled('1') }),
      attemptRecord('att_2', { error, ...settled('0') }),
      attemptRecord('att_3', { error, retried: true, ...settled('0') }),
    ]
    const record = batch('1', 1, { request: { model: 'm', prompt: 'a', n: 3 }, attempts })
    expect(undelivered(record, wanted).map(({ code }) => code)).toEqual(['unsupportedByProvider', 'taskFailedOrNotFound'])
  })

  test('is nothing while the generation runs', () => {
    expect(undelivered(batch('1', 1, { status: 'running', error }), wanted)).toEqual([])
  })

  test.each([
    ['request', 'providerContentPolicyViolation'],
    ['output', 'nsfwContentDetected'],
  ] as const)('moderation of the %s is %s, with the reasons', (stage, code) => {
    const moderated = generationError({ code: 'moderated', message: 'refused', billed: false, stage, reasons: ['Violence'] }, 'x')
    expect(undelivered(batch('0', 0, { status: 'failed', error: moderated }), wanted)).toMatchObject([
      { code, message: 'refused (Violence)' },
    ])
  })
})

test('images of ended attempts are sent while it runs, and the others are processing', () => {
  const attempts = [
    attemptRecord('att_1', { imageIds: ['img_0'], ...settled('1') }),
    attemptRecord('att_2', { imageIds: ['img_1'], progress: 0.255 }),
  ]
  const record = batch('1', 2, { status: 'running', attempts })
  expect(deliveredImages(record).map(({ id }) => id)).toEqual(['img_0'])
  expect(processingItems(record, wanted)).toEqual([{ taskType: 'imageInference', taskUUID: 'u', status: 'processing', progress: 26 }])
})

describe('an imageUUID', () => {
  test('is a UUID v4 that leads back to the image', () => {
    fc.assert(
      fc.property(fc.uuid({ version: 7 }), (uuid) => {
        const id = `img_${uuid.replaceAll('-', '')}`
        expect(imageUuidOf(id)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
        expect(imageIdOf(imageUuidOf(id))).toBe(id)
      }),
    )
  })

  test('is always the same for any other id, and no other text is one', () => {
    expect(imageUuidOf('img_1')).toBe(imageUuidOf('img_1'))
    expect(imageUuidOf('img_1')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(imageIdOf('https://example.com')).toBeNull()
  })
})
