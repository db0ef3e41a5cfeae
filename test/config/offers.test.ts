import { expect, describe, test } from 'vitest'
import { PriceRule } from '#contract'
import { withEmulators } from '../../src/config/providers.ts'
import { offersOf, resolveModel, withDefaults } from '../../src/config/offers.ts'
import { Secret } from '../../src/transport/secret.ts'
import { accepted } from './load-config.ts'

const pricesOf = async (yaml: string) => {
  const { config, catalogue } = await accepted(yaml)
  return Object.fromEntries(offersOf(config, catalogue, 'big').map(({ provider, price }) => [provider, price]))
}

describe('the operator’s prices', () => {
  test('without any, the published ones hold and unpriced stays unpriced', async () => {
    const { acme, zenith } = await pricesOf('')
    expect(acme).toMatchObject({ kind: 'megapixel', first_output: '0.03' })
    expect(zenith).toBeNull()
  })

  test('a price for an unpriced offer names the provider’s own page and the day it was agreed', async () => {
    const { zenith } = await pricesOf('providers: { zenith: { prices: { big: { per_image: "0.028", as_of: 2026-10-09 } } } }')
    expect(zenith).toMatchObject({
      kind: 'per_image',
      per_image: '0.028',
      as_of: '2026-10-09',
      source_url: 'https://docs.example.com/model',
    })
    expect(zenith?.note).toContain('operator price')
    expect(zenith?.source).toBe('configuration')
  })

  test('a price replaces the published kind whole and is a valid rule dated by the file', async () => {
    const { acme } = await pricesOf(
      'providers: { acme: { discount_percent: 50, prices: { big: { first_output: "1", extra_output: "0.5", reference: "0" } } } }',
    )
    expect(PriceRule.parse(acme)).toMatchObject({ first_output: '1', extra_output: '0.5', reference: '0', reference_cap_mp: 4 })
    expect(acme?.as_of).toMatch(/^\d{4}-\d\d-\d\d$/)
  })

  test('a surcharge is the provider’s, whatever the price, and a price by tiers or tokens may be agreed too', async () => {
    const { config, catalogue } = await accepted(`providers:
  acme: { surcharge_percent: "5.5", prices: { big: { tiers: { 1k: "0.04" } } } }
  zenith: { surcharge_percent: 3, prices: { big: { per_million: { image_output: "30" }, output_tokens: { 1024x1024: 1000 } } } }`)
    const offers = offersOf(config, catalogue, 'big')
    expect(offers.map(({ provider, surchargePercent }) => [provider, surchargePercent])).toEqual([
      ['acme', '5.5'],
      ['zenith', '3'],
    ])
    expect(offers.map(({ price }) => PriceRule.parse(price))).toMatchObject([
      { kind: 'per_tier', tiers: { '1k': '0.04' }, reference: null, source: 'configuration' },
      { kind: 'token', per_million: { image_output: '30', text_input: null }, output_tokens: { '1024x1024': 1000 } },
    ])
  })

  test('a discount comes off each published amount exactly', async () => {
    const { acme, zenith } = await pricesOf('providers: { acme: { discount_percent: 12.5 }, zenith: { discount_percent: 12.5 } }')
    expect(acme).toMatchObject({ first_output: '0.02625', extra_output: '0.013125', reference: '0.013125', as_of: '2026-11-01' })
    expect(zenith).toBeNull()
  })

  test('a discount comes off what a counted unit costs, too, so that a metered cost is what the quote says', async () => {
    const { config, catalogue } = await accepted('providers: { acme: { discount_percent: 12.5 } }')
    const acme = catalogue.providers.get('acme')
    const big = acme?.manifest.models['big']
    if (!acme || big?.price?.kind !== 'megapixel') throw new Error('acme sells big by the megapixel')
    const metered = { ...acme, manifest: { ...acme.manifest, models: { big: { ...big, price: { ...big.price, unit_amount: '0.03' } } } } }
    const [offer] = offersOf(config, { ...catalogue, providers: new Map([['acme', metered]]) }, 'big')
    expect(offer?.price).toMatchObject({ first_output: '0.02625', unit_amount: '0.02625' })
  })
})

describe('a model name', () => {
  const YAML = `
models:
  big: { route: { sort: latency }, defaults: { steps: 20, n: 2 } }
  mine: { model: big, defaults: { steps: 40, aspect_ratio: "3:2" } }
  pinned: { model: acme/big, route: { order: [acme] } }
`
  test('an unknown name is null, never a substitute', async () => {
    const { config, catalogue } = await accepted(YAML)
    for (const name of ['bigger', 'zenith/small', 'nobody/big', 'acme/mine', '/big', 'big/', '__proto__']) {
      expect(resolveModel(config, catalogue, name), name).toBeNull()
    }
  })

  test('a canonical id, an alias, a pin and an alias of a pin are each understood', async () => {
    const { config, catalogue } = await accepted(YAML)
    expect(resolveModel(config, catalogue, 'small')).toEqual({ model: 'small', pinned: null, defaults: {}, rule: {} })
    expect(resolveModel(config, catalogue, 'big')).toEqual({
      model: 'big',
      pinned: null,
      defaults: { steps: 20, n: 2 },
      rule: { sort: 'latency' },
    })
    expect(resolveModel(config, catalogue, 'zenith/big')).toMatchObject({ model: 'big', pinned: 'zenith', defaults: { steps: 20, n: 2 } })
    expect(resolveModel(config, catalogue, 'pinned')).toMatchObject({ model: 'big', pinned: 'acme', rule: { order: ['acme'] } })
  })

  test('an alias inherits its model’s rule and presets where it has none of its own', async () => {
    const { config, catalogue } = await accepted(YAML)
    expect(resolveModel(config, catalogue, 'mine')).toEqual({
      model: 'big',
      pinned: null,
      defaults: { steps: 40, n: 2, aspect_ratio: '3:2' },
      rule: { sort: 'latency' },
    })
  })
})

describe('presets', () => {
  test('never mix with a size the request gives', () => {
    expect(withDefaults({ width: 64, height: 64 }, { aspect_ratio: '3:2', megapixels: 2, steps: 4 })).toEqual({
      width: 64,
      height: 64,
      steps: 4,
    })
  })

  test('give way to the request field by field, options of a provider included', () => {
    const given = { steps: 9, provider_options: { acme: { tone: 'warm' } } }
    const defaults = { steps: 4, guidance: 3, provider_options: { acme: { tone: 'cold', grain: 1 }, zenith: { x: 1 } } }
    expect(withDefaults(given, defaults)).toEqual({
      steps: 9,
      guidance: 3,
      provider_options: { acme: { tone: 'warm', grain: 1 }, zenith: { x: 1 } },
    })
  })
})

describe('a sandbox whose emulators run', () => {
  test('reaches each provider at its emulator, and disables one whose emulator does not run', async () => {
    const { config } = await accepted('')
    const running = withEmulators(config, new Map([['acme', 'http://127.0.0.1:7']]), new Secret('sandbox'))
    expect(running.providers.get('acme')).toMatchObject({ enabled: true, baseUrl: 'http://127.0.0.1:7' })
    const none = withEmulators(config, new Map(), new Secret('sandbox'))
    expect(none.providers.get('acme')).toMatchObject({ enabled: false, reason: 'its emulator does not run' })
  })

  test('says of a provider that has no emulator how it can be used', async () => {
    const { config } = await accepted(
      'providers: { my-relay: { shape: openai-images, base_url: "https://relay.example", models: { big: { provider_model: b } } } }',
    )
    const remedy = (id: string, variable: string) =>
      `the sandbox has no emulator for it: set ${variable} or providers.${id}.api_key, which ends the sandbox`
    expect(config.providers.get('zenith')).toMatchObject({ enabled: false, reason: remedy('zenith', 'ZENITH_API_KEY') })
    expect(config.providers.get('my-relay')).toMatchObject({ enabled: false, reason: remedy('my-relay', 'MY_RELAY_API_KEY') })
  })

  test('never touches a configuration with real keys', async () => {
    const { config } = await accepted('', { ACME_API_KEY: 'k' })
    expect(withEmulators(config, new Map([['acme', 'http://127.0.0.1:7']]), new Secret('sandbox'))).toBe(config)
  })
})
