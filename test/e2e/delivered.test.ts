import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launchGateway, type Gateway } from './gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await launchGateway()
})
afterAll(() => gateway.close())

/** A vendor that asks for nothing more than a prompt, and reports a bill. */
const play = (story: string, more: object = {}) =>
  gateway.generate(
    { model: 'runware/flux-2-pro', prompt: `a harbour sandbox:${story}`, width: 512, height: 512, ...more },
    { prefer: 'wait=60' },
  )

describe('a bill', () => {
  test('of a thousand times its quote is not believed: the cost is unknown, with the amount that was reported beside it', async () => {
    const { status, cost, attempts } = await play('huge-bill')
    expect(status).toBe('succeeded')
    expect(cost).toMatchObject({ quoted: '0.03', amount: null, basis: 'unknown', lines: [] })
    expect(attempts[0]?.cost).toMatchObject({ amount: null, basis: 'unknown', reported: expect.stringMatching(/^\d+/) })
    expect(Number(attempts[0]?.cost.reported)).toBeGreaterThan(10 * 0.03)
  })

  test('of nothing is billed as nothing', async () => {
    const { cost, attempts } = await play('zero-bill')
    expect(cost).toMatchObject({ quoted: '0.03', amount: '0', basis: 'billed' })
    expect(attempts[0]?.cost).toMatchObject({ amount: '0', basis: 'billed', reported: '0' })
  })
})

describe('a delivered image', () => {
  test('in another format than ordered is a warning, also where nothing may be adapted', async () => {
    const { images, warnings } = await play('other-format', { output_format: 'png', on_unsupported: 'reject' })
    expect(images[0]?.format).not.toBe('png')
    expect(warnings).toContainEqual(
      expect.objectContaining({ code: 'adjusted', field: 'output_format', requested: 'png', used: images[0]?.format }),
    )
  })

  test('beyond the number ordered is kept, with a warning', async () => {
    const { images, warnings } = await play('extra-image', { n: 2 })
    expect(images).toHaveLength(3)
    expect(warnings).toEqual([expect.objectContaining({ code: 'adjusted', field: 'n', requested: 2, used: 3 })])
  })

  test('stands in the order of the tasks, each attempt with the seed that was sent', async () => {
    const body = { model: 'bfl/flux-2-pro', prompt: 'a harbour', width: 512, height: 512, n: 4, seed: 100 }
    const { images, attempts } = await gateway.generate(body, { prefer: 'wait=60' })
    expect(attempts.map(({ seed }) => seed)).toEqual(['100', '101', '102', '103'])
    expect(images.map(({ seed }) => seed)).toEqual(['100', '101', '102', '103'])
  })
})
