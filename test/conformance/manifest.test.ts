import { describe, expect, test } from 'vitest'
import { Manifest, type Limits, type Range } from '#contract'
import { candidate, failuresOf, isAskable } from '../support/examined.ts'
import { isManifestAlone, providerFolders, readManifestJson } from '../support/installed-providers.ts'

/** Named ranges of an offer. */
const rangesOf = (limits: Limits): readonly (readonly [string, Range])[] => {
  const ranges = {
    ...(limits.size.kind === 'range' ? { width: limits.size.width, height: limits.size.height } : {}),
    seed: limits.seed,
    output_quality: limits.output_quality,
    safety_tolerance: limits.safety_tolerance,
    guidance: limits.guidance,
    steps: limits.steps,
  }
  return Object.entries(ranges).filter((entry): entry is [string, Range] => entry[1] !== null)
}

const isOnStep = ({ min, step }: Range, value: number): boolean => step === undefined || Number.isInteger((value - min) / step)
const isLegal = (range: Range, value: number): boolean => value >= range.min && value <= range.max && isOnStep(range, value)

function rangeObjections(name: string, range: Range): readonly string[] {
  const { min, max, step, default: usual } = range
  return [
    ...(min <= max ? [] : [`${name}: min ${min} is above max ${max}`]),
    ...(isOnStep(range, max) ? [] : [`${name}: max ${max} is not a whole number of steps above min ${min}`]),
    ...(step === undefined || min % step === 0 || name === 'steps' ? [] : [`${name}: min ${min} is no multiple of step ${step}`]),
    ...(typeof usual !== 'number' || isLegal(range, usual) ? [] : [`${name}: its default ${usual} is not legal`]),
  ]
}

const isHostOf = (host: string, pattern: string) => (pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) : host === pattern)

describe.each(providerFolders())('the manifest of %s', (id) => {
  test('is valid, and its id is its folder', () => {
    const parsed = Manifest.safeParse(readManifestJson(id))
    expect(parsed.error?.issues ?? []).toEqual([])
    expect(parsed.data?.id).toBe(id)
  })

  test('sends the key only over https, and to the hosts it lists', async () => {
    const { manifest } = await candidate(id)
    const base = new URL(manifest.base_url)
    expect(base.protocol).toBe('https:')
    expect(manifest.hosts.some((pattern) => isHostOf(base.hostname, pattern))).toBe(true)
    expect(manifest.hosts.filter((pattern) => /^\*\.[a-z]+$/.test(pattern))).toEqual([])
  })

  test('waits in a sensible order: a call is shorter than the deadline, the shortest poll than the longest', async () => {
    const { timeouts, polling } = (await candidate(id)).manifest
    expect(timeouts.submit_ms).toBeLessThan(timeouts.deadline_ms)
    expect(timeouts.poll_ms).toBeLessThan(timeouts.deadline_ms)
    expect(polling.min_ms).toBeLessThanOrEqual(polling.max_ms)
    expect(polling.first_ms).toBeLessThanOrEqual(polling.max_ms)
  })

  test('gives every price the day it was read, not in the future, and a page on https', async () => {
    const { offers } = await candidate(id)
    const today = new Date().toISOString().slice(0, 10)
    const wrong = offers.filter(({ price }) => price !== null && (price.as_of > today || !price.source_url.startsWith('https://')))
    expect(wrong.map(({ model, price }) => ({ model, price }))).toEqual([])
  })

  test('has ranges whose ends and defaults are legal', async () => {
    const { offers } = await candidate(id)
    const objections = offers.flatMap(({ model, limits }) =>
      rangesOf(limits).flatMap(([name, range]) => rangeObjections(name, range).map((objection) => `${model}: ${objection}`)),
    )
    expect(objections).toEqual([])
  })

  test('has sizes of which the smallest and the default are legal, and the pixel limit excludes something', async () => {
    for (const { model, limits } of (await candidate(id)).offers) {
      if (limits.size.kind === 'tier') continue
      const { width, height, max_pixels } = limits.size
      const most = max_pixels ?? Number.MAX_SAFE_INTEGER
      expect(width.min * height.min, model).toBeLessThanOrEqual(most)
      if (max_pixels !== null) expect(width.max * height.max, model).toBeGreaterThan(most)
      if (typeof width.default === 'number' && typeof height.default === 'number')
        expect(width.default * height.default, model).toBeLessThanOrEqual(most)
      expect(typeof width.default, `${model}: width and height have a default together or not at all`).toBe(typeof height.default)
      if (limits.size.required) expect(width.default ?? null, `${model}: a required size has no default`).toBeNull()
    }
  })

  test('names each shape and each tier once, with sizes that are those of its shape and tier', async () => {
    for (const { model, limits } of (await candidate(id)).offers) {
      if (limits.size.kind !== 'tier') continue
      const { aspect_ratios: ratios, tiers } = limits.size
      expect(new Set(ratios).size, model).toBe(ratios.length)
      expect(new Set(tiers.map(({ name }) => name)).size, model).toBe(tiers.length)
      for (const { name, megapixels, pixels = {} } of tiers) {
        for (const [ratio, { width, height }] of Object.entries(pixels)) {
          expect(ratios, `${model} ${name}`).toContain(ratio)
          const [across = 1, down = 1] = ratio.split(':').map(Number)
          expect(Math.abs((width * down) / (height * across) - 1), `${model} ${name} ${ratio}`).toBeLessThan(0.05)
        }
        const sizes = Object.values(pixels).map(({ width, height }) => (width * height) / (megapixels * 1_048_576))
        if (sizes.length === 0) continue
        // Around what the tier is about: a vendor's tier may have one short side, and then its square is smaller than its other shapes.
        expect(Math.min(...sizes), `${model} ${name}`).toBeLessThan(1.15)
        expect(Math.max(...sizes), `${model} ${name}`).toBeGreaterThan(0.85)
        expect(Math.max(...sizes) / Math.min(...sizes), `${model} ${name}`).toBeLessThanOrEqual(1.5)
      }
    }
  })

  test('has formats, references and safety that agree with themselves', async () => {
    for (const { model, limits } of (await candidate(id)).offers) {
      const { output_format, reference_images, safety_tolerance, prompt, seed } = limits
      if (output_format.values.length > 0 && output_format.default !== null)
        expect(output_format.values, model).toContain(output_format.default)
      expect(new Set(output_format.values).size, model).toBe(output_format.values.length)
      expect(reference_images.forms.length > 0, `${model}: references come in a form, or not at all`).toBe(reference_images.max > 0)
      expect(prompt.min_chars, model).toBeLessThanOrEqual(prompt.max_chars)
      if (safety_tolerance !== null) {
        expect(safety_tolerance.min, model).toBeGreaterThanOrEqual(0)
        expect(safety_tolerance.max, model).toBeLessThanOrEqual(6)
      }
      if (seed !== null) expect(seed.max, `${model}: a seed is at most 2^63−1`).toBeLessThanOrEqual(Number('9223372036854775807'))
      if (limits.size.follows_reference) expect(reference_images.max, model).toBeGreaterThan(0)
    }
  })

  test('declares what its adapter and its limits can do, no more and no less', async () => {
    const { manifest, adapter, offers } = await candidate(id)
    const { declares } = manifest
    expect(declares.recover, 'recover').toBe(adapter.recover !== undefined)
    expect(declares.cancel, 'cancel').toBe(adapter.cancel !== undefined)
    expect(declares.balance, 'balance: account').toBe(adapter.account !== undefined)
    expect(declares.balance, 'balance: readBalance').toBe(adapter.readBalance !== undefined)
    expect(declares.batch, 'batch').toBe(offers.some(({ limits }) => limits.n.max > 1))
    if (manifest.webhook_secret_header !== null) expect(declares.webhook, 'webhook').toBe(true)
  })
})

/** A manifest alone may have none. */
const withStories = providerFolders().filter((id) => !isManifestAlone(id))
describe.each(withStories)('the stories of %s', (id) => {
  test('hold a success of every model', async () => {
    const { cases, offers } = await candidate(id)
    const succeeding = new Set(cases.filter(({ outcome }) => outcome.kind === 'done').map(({ request }) => Object(request).model))
    expect(offers.map(({ model }) => model).filter((model) => !succeeding.has(model))).toEqual([])
  })

  test('hold every way of delivery it declares', async () => {
    const { cases, manifest } = await candidate(id)
    const done = cases.filter(({ outcome }) => outcome.kind === 'done')
    const ways = { sync: done.some(({ steps }) => steps.length === 1), poll: done.some(({ steps }) => steps.length > 1) }
    expect(manifest.declares.delivery.filter((way) => !ways[way])).toEqual([])
  })

  test.each(['moderated', 'rate_limited', 'provider_unauthorized', 'insufficient_credit', 'provider_rejected'] as const)(
    'hold %s',
    async (code) => {
      const { cases } = await candidate(id)
      expect(cases.flatMap(({ outcome }) => failuresOf(outcome)).some((failure) => failure.code === code)).toBe(true)
    },
  )

  test('hold an outage at the submit, and one at a poll where it has polls', async () => {
    const examined = await candidate(id)
    const { cases } = examined
    const outages = cases.flatMap(({ steps }) => steps.filter(({ reply }) => 'status' in reply && reply.status >= 500))
    expect(outages.map(({ call }) => call.purpose)).toEqual(expect.arrayContaining(['submit']))
    expect(outages.some(({ call }) => call.purpose === 'poll' || call.purpose === 'recover')).toBe(isAskable(examined))
  })

  test('hold a lost submit reply where it can be recovered, and a batch where it makes one', async () => {
    const { cases, manifest } = await candidate(id)
    const lost = cases.some(({ steps }) => steps.some(({ call, reply }) => call.purpose === 'submit' && 'lost' in reply))
    expect(lost).toBe(manifest.declares.recover)
    const partial = cases.some(({ outcome }) => outcome.kind === 'done' && (outcome.failures?.length ?? 0) > 0)
    expect(partial, 'partial success').toBe(manifest.declares.batch)
  })

  test('read the cost where the vendor reports it', async () => {
    const { cases, manifest } = await candidate(id)
    const costs = cases.filter(({ outcome }) => outcome.kind === 'done' && outcome.cost !== undefined)
    expect(costs.length > 0).toBe(manifest.declares.cost !== 'none')
    const atSubmit = costs.filter(({ steps, outcome }) => {
      const raw = outcome.kind === 'done' ? outcome.cost?.raw : undefined
      return steps.length > 1 && JSON.stringify(steps[1]?.call.memo ?? null).includes(JSON.stringify(raw))
    })
    expect(atSubmit.length > 0, 'the cost of the submit is remembered until the image comes').toBe(manifest.declares.cost === 'at_submit')
  })

  test('read the seed where the vendor reports it', async () => {
    const { cases, manifest } = await candidate(id)
    const images = cases.flatMap(({ outcome }) => (outcome.kind === 'done' ? outcome.images : []))
    expect(images.some(({ seed }) => seed !== undefined)).toBe(manifest.declares.seed_returned)
  })
})
