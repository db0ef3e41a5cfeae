import { describe, expect, it } from 'vitest'
import { plan, quote } from '../../../src/core/plan/plan.ts'
import { retirementHeaders } from '../../../src/http/retirement-headers.ts'
import { asking, bfl, candidate, planning, runware } from './offers.ts'

const ending = { ...bfl, retiresOn: '2027-03-01', replacedBy: 'flux-3-image' }
const at = (day: string) => ({ now: Date.parse(day) })
const quoted = (day: string, rest: object = {}) => quote(planning([candidate(ending)], { ...at(day), ...rest })).offers[0]

describe('a model that its provider retires', () => {
  it('is as any other until 60 days before', () => {
    expect(quoted('2026-12-30T23:59:59Z')).toMatchObject({ eligible: true, warnings: [], fidelity: 'exact' })
  })

  it('has a warning from 60 days before, which names the day and what replaces it, and is no less near for that', () => {
    const row = quoted('2026-12-31T00:00:00Z')
    expect(row).toMatchObject({ eligible: true, fidelity: 'exact' })
    expect(row?.warnings).toEqual([
      {
        code: 'deprecated',
        field: 'model',
        requested: 'flux-2-pro',
        used: { model: 'flux-2-pro', retires_on: '2027-03-01', replaced_by: 'flux-3-image' },
        reason: 'bfl retires flux-2-pro on 2027-03-01; flux-3-image replaces it.',
      },
    ])
    expect(retirementHeaders(row?.warnings ?? [])).toEqual({ deprecation: '@1798675200', sunset: 'Mon, 01 Mar 2027 00:00:00 GMT' })
  })

  it('is not eligible from the day on, and the reason names what replaces it', () => {
    expect(plan(planning([candidate(ending)], at('2027-03-01T00:00:00Z')))).toMatchObject({
      kind: 'refused',
      considered: [{ reasons: ['model: bfl retired flux-2-pro on 2027-03-01; flux-3-image replaces it.'] }],
    })
  })

  it('is not eligible where no warning is wanted, and comes after an offer at the same price that goes on', () => {
    expect(quoted('2027-01-15', { request: asking({ on_unsupported: 'reject' }) })?.eligible).toBe(false)
    const planned = plan(planning([candidate(ending), candidate(runware)], at('2027-01-15')))
    expect(planned.kind === 'routes' && planned.routes.map(({ provider }) => provider)).toEqual(['runware', 'bfl'])
  })

  it('has no headers without its warning', () => {
    expect(retirementHeaders([])).toEqual({})
  })
})
