import { describe, expect, it } from 'vitest'
import type { Limits } from '#contract'
import { adapt } from '../../../src/core/plan/adapt.ts'
import { orderFor } from '../../../src/core/plan/order.ts'
import { plan } from '../../../src/core/plan/plan.ts'
import type { Reference } from '../../../src/core/records.ts'
import type { PlannedRequest } from '../../../src/core/plan/finding.ts'
import { objectionToMask } from '../../../src/core/plan/mask.ts'
import { asking, bfl, candidate, planning, stored, withLimits } from './offers.ts'

const BOTH: NonNullable<Limits['background']> = { type: 'enum', values: ['opaque', 'transparent'], default: 'opaque' }

function judged(fields: Partial<PlannedRequest>, limits: Partial<Limits>) {
  const adaptation = adapt(asking(fields), [], withLimits(bfl, limits))
  if (!adaptation.eligible) throw new Error(adaptation.reasons.join(' '))
  const { quality, background, output_format } = adaptation.applied
  return { applied: { quality, background, output_format }, said: adaptation.warnings.map(({ code, field, used }) => [code, field, used]) }
}

describe('quality', () => {
  it.each([
    ['high', ['low', 'medium', 'high'], 'high', []],
    ['medium', ['low', 'high'], 'low', [['adjusted', 'quality', 'low']]],
    ['high', ['low', 'medium'], 'medium', [['adjusted', 'quality', 'medium']]],
  ] as const)('of %s, where there are %o, is %s', (asked, values, used, said) => {
    const found = judged({ quality: asked }, { quality: { type: 'enum', values: [...values], default: null } })
    expect(found).toMatchObject({ applied: { quality: used }, said })
  })

  it('is a warning where the offer has no tiers of it', () => {
    expect(judged({ quality: 'high' }, {})).toMatchObject({ applied: { quality: undefined }, said: [['unsupported', 'quality', null]] })
  })
})

describe('a transparent background', () => {
  it('orders a format that can be transparent, unless one was asked for', () => {
    const ask = (fields: Partial<PlannedRequest>) => judged({ background: 'transparent', ...fields }, { background: BOTH })
    expect(ask({})).toEqual({ applied: { quality: undefined, background: 'transparent', output_format: 'png' }, said: [] })
    expect(ask({ output_format: 'webp' }).applied).toMatchObject({ background: 'transparent', output_format: 'webp' })
  })

  it('is a warning where there is no choice, or no format for it', () => {
    const jpeg: Limits['output_format'] = { type: 'enum', values: ['jpeg'], default: 'jpeg' }
    const none = [['unsupported', 'background', null]]
    const opaque = [['unsupported', 'background', 'opaque']]
    expect(judged({ background: 'transparent' }, {}).said).toEqual(none)
    expect(judged({ background: 'opaque' }, {}).said).toEqual([])
    expect(judged({ background: 'transparent' }, { background: { ...BOTH, values: ['opaque'] } }).said).toEqual(opaque)
    expect(judged({ background: 'transparent' }, { background: BOTH, output_format: jpeg }).said).toEqual(opaque)
    const adjusted = judged({ background: 'transparent', output_format: 'png' }, { background: BOTH, output_format: jpeg })
    expect(adjusted.said).toEqual([['adjusted', 'output_format', 'jpeg'], ...opaque])
  })
})

describe('a mask', () => {
  const mask: Reference = { ...stored(1024, 1024), isMask: true }
  const masking = withLimits(bfl, { mask: true })

  it('excludes every offer that takes none: it is never left out', () => {
    const planned = plan(planning([candidate(bfl)], { references: [stored(1024, 1024), mask] }))
    expect(planned).toMatchObject({ kind: 'refused', considered: [{ reasons: [expect.stringContaining('mask: one was given')] }] })
  })

  it('goes along beside the references, and counts neither for their limit nor for the price', () => {
    const offer = withLimits(masking, { reference_images: { max: 1, forms: ['base64'] } })
    const planned = plan(planning([candidate(offer)], { references: [stored(1024, 1024), mask] }))
    const [route] = planned.kind === 'routes' ? planned.routes : []
    expect(route).toMatchObject({ applied: { reference_images: 1, mask: true }, quoted: { amount: '0.045' } })
    if (!route) throw new Error('no route')
    const attempt = { taskId: 'x', images: 1, seed: null }
    const order = orderFor({ route, prompt: 'a', attempt, references: ['one'], mask: 'two', limits: offer.limits })
    expect(order).toMatchObject({ references: ['one'], mask: 'two' })
  })

  it('cannot be given as bytes where only links are taken', () => {
    const linking = withLimits(masking, { reference_images: { max: 1, forms: ['url'] } })
    const { eligible } = adapt(asking(), [], linking, mask)
    expect(eligible).toBe(false)
  })

  it('has the size of the first reference and a format that can be transparent, as far as both are seen', () => {
    expect(objectionToMask(mask, stored(1024, 1024))).toBeNull()
    expect(objectionToMask(mask, stored(512, 512))).toContain('1024×1024, and the first reference image is 512×512')
    expect(objectionToMask({ ...mask, format: 'jpeg' } as Reference, stored(1024, 1024))).toContain('JPEG')
    expect(objectionToMask({ kind: 'url', isMask: true, url: 'https://a.example/m.png', pixels: null }, stored(1, 1))).toBeNull()
  })
})
