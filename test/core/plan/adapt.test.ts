import { describe, expect, it } from 'vitest'
import type { Limits, Offer } from '#contract'
import { rangeSize } from '../../support/legal-orders.ts'
import type { Reference } from '../../../src/core/records.ts'
import { adapt } from '../../../src/core/plan/adapt.ts'
import type { PlannedRequest } from '../../../src/core/plan/finding.ts'
import { asking, bfl, runware, stored, unseen, vtrix, withLimits } from './offers.ts'

const ROOMY = { type: 'range', min: 1.5, max: 10 } as const

function accepted(fields: Partial<PlannedRequest>, offer: Offer, references: readonly Reference[] = []) {
  const adaptation = adapt(asking(fields), references, offer)
  if (!adaptation.eligible) throw new Error(`refused: ${adaptation.reasons.join(' · ')}`)
  return adaptation
}

function refused(fields: Partial<PlannedRequest>, offer: Offer, references: readonly Reference[] = []): readonly string[] {
  const adaptation = adapt(asking(fields), references, offer)
  if (adaptation.eligible) throw new Error(`accepted: ${JSON.stringify(adaptation.applied)}`)
  return adaptation.reasons
}

describe('a reason to refuse an offer', () => {
  it('is a prompt too long for it, which is never cut', () => {
    const offer = withLimits(runware, { prompt: { min_chars: 2, max_chars: 10 } })
    expect(refused({ prompt: 'x'.repeat(11) }, offer)).toEqual(['prompt: it has 11 characters, and this offer takes at most 10.'])
    expect(refused({ prompt: 'x' }, offer)).toEqual(['prompt: it has 1 characters, and this offer takes at least 2.'])
    expect(refused({ prompt: '🦊' }, offer)).toHaveLength(1)
  })

  it('is not a prompt whose characters fit though its UTF-16 units do not', () => {
    expect(accepted({ prompt: '🦊'.repeat(10) }, withLimits(runware, { prompt: { min_chars: 1, max_chars: 10 } })).warnings).toEqual([])
  })

  it('is more references than it takes, and none is dropped', () => {
    expect(refused({}, bfl, Array<Reference>(9).fill(unseen))).toEqual(['reference_images: 9 given, and this offer takes at most 8.'])
    expect(refused({}, withLimits(bfl, { reference_images: { max: 0, forms: [] } }), [unseen])).toEqual([
      'reference_images: 1 given, and this offer takes none.',
    ])
  })

  it('is a reference given as bytes where only links are taken', () => {
    const linksOnly = withLimits(bfl, { reference_images: { max: 8, forms: ['url'] } })
    expect(refused({}, linksOnly, [stored(512, 512)])[0]).toMatch(/^reference_images: this offer takes only links/)
    expect(accepted({}, linksOnly, [unseen]).applied.reference_images).toBe(1)
  })

  it('is safety it cannot be as strict about, never loosened', () => {
    expect(refused({ safety_tolerance: 0 }, vtrix)).toEqual([
      'safety_tolerance: 0 was asked, and the strictest this offer takes is 1; safety is never loosened.',
    ])
    expect(refused({ safety_tolerance: 6 }, withLimits(bfl, { safety_tolerance: null }))[0]).toMatch(/no control/)
  })

  it.each(['10000x10', '10x10000'])('is a size of %s, which has no legal size near it', (size) => {
    const [width = 0, height = 0] = size.split('x').map(Number)
    for (const offer of [bfl, runware, vtrix]) {
      const reasons = refused({ width, height }, offer)
      expect(reasons).toHaveLength(1)
      expect(reasons[0]).toContain(`width, height: ${width}×${height} was asked`)
      expect(reasons[0]).toContain(String(rangeSize(offer.limits.size).width.min))
    }
  })

  it('is a shape it cannot make, named as it was asked', () => {
    expect(refused({ aspect_ratio: '9999:1' }, runware)[0]).toMatch(/^aspect_ratio: the shape 9999:1/)
  })

  it('is explained in full, one sentence for each field', () => {
    expect(refused({ safety_tolerance: 0, width: 10_000, height: 10 }, vtrix, Array<Reference>(9).fill(unseen))).toHaveLength(3)
  })
})

describe('a size', () => {
  it('that is legal stays as it is and needs no warning', () => {
    const { applied, warnings } = accepted({ width: 1536, height: 1024 }, runware)
    expect(applied).toEqual({ width: 1536, height: 1024, n: 1, reference_images: 0 })
    expect(warnings).toEqual([])
  })

  it('that is not moves to the nearest, with a warning for the side that changed only', () => {
    const { applied, warnings } = accepted({ width: 1920, height: 1080 }, runware)
    expect(applied).toMatchObject({ width: 1920, height: 1088 })
    expect(warnings).toEqual([
      {
        code: 'adjusted',
        field: 'height',
        requested: 1080,
        used: 1088,
        reason: 'This offer takes widths of 256 to 2048 in steps of 16 and heights of 256 to 2048 in steps of 16.',
      },
    ])
  })

  it('nobody asked for is 1024×1024 at every offer, without a warning', () => {
    for (const offer of [bfl, runware, vtrix]) {
      expect(accepted({}, offer)).toMatchObject({ applied: { width: 1024, height: 1024 }, warnings: [], assumptions: [] })
    }
  })

  it('is made from a shape and megapixels, and a shape alone means one megapixel', () => {
    expect(accepted({ aspect_ratio: '3:2' }, runware)).toMatchObject({ applied: { width: 1248, height: 832 }, warnings: [] })
    expect(accepted({ megapixels: 4 }, bfl)).toMatchObject({ applied: { width: 2048, height: 2048 }, warnings: [] })
  })

  it('warns about a shape missed by more than 2 % and about pixels missed by more than 10 %', () => {
    const { applied, warnings } = accepted({ aspect_ratio: '10:1', megapixels: 1 }, runware)
    expect(applied).toMatchObject({ width: 2048, height: 256 })
    expect(warnings).toMatchObject([
      { code: 'adjusted', field: 'aspect_ratio', requested: '10:1', used: '8:1' },
      { code: 'adjusted', field: 'megapixels', requested: 1, used: 0.5 },
    ])
  })

  it('smaller than asked is a warning even where the megapixels were the default', () => {
    const small = withLimits(runware, { size: { ...rangeSize(runware.limits.size), max_pixels: 262_144 } })
    expect(accepted({ aspect_ratio: '1:1' }, small).warnings).toMatchObject([{ field: 'megapixels', requested: null, used: 0.25 }])
  })
})

describe('a size left to the reference images', () => {
  it('is not sent to an offer that follows the first reference', () => {
    const { applied, warnings, assumptions } = accepted({}, bfl, [stored(1536, 1024)])
    expect(applied).toEqual({ n: 1, reference_images: 1 })
    expect(warnings).toEqual([])
    expect(assumptions).toEqual(['No size is sent: the image comes back in the size of the first reference image.'])
  })

  it('is the measured size of the first reference where a size is required', () => {
    expect(accepted({}, runware, [stored(1536, 1024), stored(512, 512)])).toMatchObject({
      applied: { width: 1536, height: 1024 },
      warnings: [],
    })
  })

  it('is made legal where the reference is not, with a warning of a change nobody asked for', () => {
    const { applied, warnings } = accepted({}, runware, [stored(4000, 2000)])
    expect(applied).toMatchObject({ width: 2048, height: 1024 })
    expect(warnings).toMatchObject([
      { code: 'adjusted', field: 'width', requested: null, used: 2048 },
      { code: 'adjusted', field: 'height', requested: null, used: 1024 },
    ])
  })

  it('is 1024×1024, with a warning, where the first reference cannot be measured', () => {
    const { applied, warnings } = accepted({}, runware, [unseen])
    expect(applied).toMatchObject({ width: 1024, height: 1024 })
    expect(warnings.map(({ field, requested, used }) => [field, requested, used])).toEqual([
      ['width', null, 1024],
      ['height', null, 1024],
    ])
  })

  it('is refused where the reference has a shape the offer cannot make', () => {
    expect(refused({}, runware, [stored(8000, 100)])[0]).toMatch(/^reference_images: the first one is 8000×100/)
  })
})

describe('the other fields', () => {
  it.each([
    ['webp', ['jpeg', 'png'], 'png'],
    ['webp', ['jpeg'], 'jpeg'],
    ['png', ['jpeg', 'webp'], 'webp'],
    ['png', ['jpeg'], 'jpeg'],
    ['jpeg', ['png', 'webp'], 'webp'],
    ['jpeg', ['png'], 'png'],
  ] as const)('give %s up, where only %o are delivered, for %s', (asked, values, used) => {
    const offer = withLimits(bfl, { output_format: { type: 'enum', values: [...values], default: values[0] } })
    const { applied, warnings } = accepted({ output_format: asked }, offer)
    expect(applied.output_format).toBe(used)
    expect(warnings).toMatchObject([{ code: 'adjusted', field: 'output_format', requested: asked, used }])
  })

  it('without a choice are a warning, and none is sent', () => {
    const offer = withLimits(bfl, { output_format: { type: 'enum', values: [], default: null } })
    const { applied, warnings } = accepted({ output_format: 'png' }, offer)
    expect(applied.output_format).toBeUndefined()
    expect(warnings).toMatchObject([{ code: 'unsupported', field: 'output_format', requested: 'png', used: null }])
  })

  it('are left out where they were not asked for, so that the vendor’s default applies', () => {
    expect(Object.keys(accepted({}, runware).applied).toSorted()).toEqual(['height', 'n', 'reference_images', 'width'])
  })

  it('say that quality, guidance, steps and seed cannot be set, and send none', () => {
    const { applied, warnings } = accepted(
      { output_quality: 80, guidance: 4, steps: 20, seed: 7 },
      withLimits(bfl, { seed: null, output_quality: null, guidance: null, steps: null }),
    )
    expect(applied).toEqual({ width: 1024, height: 1024, n: 1, reference_images: 0 })
    expect(warnings.map(({ code, field, used }) => [code, field, used])).toEqual([
      ['unsupported', 'seed', null],
      ['unsupported', 'output_quality', null],
      ['unsupported', 'guidance', null],
      ['unsupported', 'steps', null],
    ])
  })

  it('move numbers to the nearest legal value', () => {
    const offer = withLimits(runware, { guidance: { ...ROOMY, max: 5 }, steps: { type: 'range', min: 10, max: 40, step: 10 } })
    const { applied, warnings } = accepted({ output_quality: 99, guidance: 9.5, steps: 26 }, offer)
    expect(applied).toMatchObject({ output_quality: 95, guidance: 5, steps: 30 })
    expect(warnings).toMatchObject([
      { code: 'adjusted', field: 'output_quality', requested: 99, used: 95 },
      { code: 'adjusted', field: 'guidance', requested: 9.5, used: 5 },
      { code: 'adjusted', field: 'steps', requested: 26, used: 30 },
    ])
  })

  it('send no quality with a png, which has none, and say so; also where transparency makes it one', () => {
    const warned = (request: object, usual: 'jpeg' | 'png') => {
      const background: Limits['background'] = { type: 'enum', values: ['opaque', 'transparent'], default: null }
      const format: Limits['output_format'] = { type: 'enum', values: ['jpeg', 'png'], default: usual }
      const { applied, warnings } = accepted({ output_quality: 80, ...request }, withLimits(runware, { output_format: format, background }))
      return [applied.output_quality, warnings.map(({ field, used }) => [field, used])]
    }
    expect(warned({}, 'jpeg')).toEqual([80, []])
    expect(warned({ output_format: 'jpeg' }, 'png')).toEqual([80, []])
    const unsent = [undefined, [['output_quality', null]]]
    expect([warned({}, 'png'), warned({ output_format: 'png' }, 'jpeg'), warned({ background: 'transparent' }, 'jpeg')]).toEqual([
      unsent,
      unsent,
      unsent,
    ])
  })

  it('take a fractional step as written, without binary noise', () => {
    const offer = withLimits(runware, { guidance: { ...ROOMY, step: 0.1 } })
    expect(accepted({ guidance: 1.7 }, offer)).toMatchObject({ applied: { guidance: 1.7 }, warnings: [] })
    expect(accepted({ guidance: 2.26 }, offer).applied.guidance).toBe(2.3)
  })

  it('tighten safety where the loosest on offer is stricter, and say so', () => {
    const { applied, warnings } = accepted({ safety_tolerance: 6 }, bfl)
    expect(applied.safety_tolerance).toBe(5)
    expect(warnings).toMatchObject([{ code: 'adjusted', field: 'safety_tolerance', requested: 6, used: 5 }])
  })

  it('never pick a looser safety value than asked at any offer', () => {
    const everySecond = withLimits(bfl, { safety_tolerance: { type: 'range', min: 0, max: 6, step: 2 } })
    for (const offer of [bfl, runware, vtrix, everySecond]) {
      for (const asked of [0, 1, 2, 3, 4, 5, 6]) {
        const adaptation = adapt(asking({ safety_tolerance: asked }), [], offer)
        if (adaptation.eligible) expect(adaptation.applied.safety_tolerance).toBeLessThanOrEqual(asked)
      }
    }
    expect(accepted({ safety_tolerance: 3 }, everySecond).applied.safety_tolerance).toBe(2)
  })

  it('leave a seed out of range away, since another seed is another image', () => {
    const offer = withLimits(bfl, { seed: { type: 'range', min: 0, max: 4_294_967_295 } })
    const { applied, warnings } = accepted({ seed: 4_294_967_296 }, offer)
    expect(applied).not.toHaveProperty('seed')
    expect(warnings).toMatchObject([{ code: 'unsupported', field: 'seed', requested: 4_294_967_296, used: null }])
    expect(accepted({ seed: 4_294_967_295 }, offer)).toMatchObject({ applied: { seed: 4_294_967_295 }, warnings: [] })
  })

  it('pass prompt upsampling on where there is a switch', () => {
    expect(accepted({ prompt_upsampling: false }, bfl)).toMatchObject({ applied: { prompt_upsampling: false }, warnings: [] })
  })

  it('accept prompt upsampling without a switch only where the offer behaves so anyway', () => {
    const never = withLimits(bfl, { prompt_upsampling: { type: 'boolean', default: false, settable: false } })
    expect(accepted({ prompt_upsampling: false }, never).warnings).toEqual([])
    expect(accepted({ prompt_upsampling: true }, never).warnings).toMatchObject([
      { code: 'unsupported', field: 'prompt_upsampling', requested: true, used: false },
    ])
    expect(accepted({ prompt_upsampling: false }, vtrix).warnings).toMatchObject([{ code: 'unsupported', requested: false, used: null }])
  })

  it('never reduce the number of images', () => {
    expect(accepted({ n: 20 }, bfl).applied.n).toBe(20)
  })
})

describe('on_unsupported "reject"', () => {
  it('refuses an offer that would need a warning, naming the field, the asked and the nearest', () => {
    expect(refused({ width: 1920, height: 1080, on_unsupported: 'reject' }, runware)).toEqual([
      'height: 1080 was asked and the nearest is 1088, which on_unsupported "reject" forbids; ' +
        'this offer takes widths of 256 to 2048 in steps of 16 and heights of 256 to 2048 in steps of 16.',
    ])
    expect(refused({ output_quality: 80, on_unsupported: 'reject' }, bfl)[0]).toContain('it cannot be honoured')
  })

  it('keeps an offer that can do it exactly', () => {
    expect(accepted({ width: 1024, height: 1024, on_unsupported: 'reject' }, bfl).warnings).toEqual([])
  })

  it('does not mind options meant for another provider', () => {
    const options = { runware: { ttl: 60 } }
    expect(accepted({ provider_options: options, on_unsupported: 'reject' }, bfl).warnings).toMatchObject([{ code: 'ignored_option' }])
  })
})

it('options for other providers are a warning and the provider’s own are not', () => {
  const { warnings } = accepted({ provider_options: { bfl: { raw: true }, runware: { ttl: 60 } } }, bfl)
  expect(warnings).toEqual([
    {
      code: 'ignored_option',
      field: 'provider_options.runware',
      requested: { ttl: 60 },
      used: null,
      reason: 'These options are for runware, and bfl is used.',
    },
  ])
})

it('every warning that moved a value names what was asked and what is used', () => {
  const fields = { width: 1001, height: 777, output_quality: 33, safety_tolerance: 6, output_format: 'webp' } as const
  for (const offer of [bfl, runware, vtrix]) {
    const { applied, warnings } = accepted(fields, offer)
    for (const warning of warnings.filter(({ code }) => code === 'adjusted')) {
      expect(warning.requested).toBe(fields[warning.field as keyof typeof fields])
      expect(warning.used).toBe(applied[warning.field as keyof typeof applied])
      expect(warning.used).not.toBe(warning.requested)
    }
  }
})
