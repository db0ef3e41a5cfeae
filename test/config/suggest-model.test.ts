import { expect, test } from 'vitest'
import type { Catalogue } from '../../src/catalogue/catalogue.ts'
import type { Config } from '../../src/config/config.ts'
import { suggestModel } from '../../src/config/suggest-model.ts'

const SOLD: Readonly<Record<string, readonly string[]>> = {
  north: ['gpt-image-1-mini', 'gpt-image-1.5', 'gpt-image-2', 'gpt-image-2.6-flare'],
  south: ['flux-1.1-pro', 'flux-2-dev', 'flux-2-flex', 'flux-2-klein-4b', 'flux-2-klein-9b', 'flux-2-max', 'flux-2-pro', 'gpt-image-2'],
  west: ['gemini-2.5-flash-image', 'gemini-nano-banana-2.1'],
}
const catalogue = {
  models: [...new Set(Object.values(SOLD).flat())],
  providers: new Map(Object.keys(SOLD).map((id) => [id, {}])),
  offers: (model: string) =>
    Object.entries(SOLD).flatMap(([provider, models]) => (models.includes(model) ? [{ provider, providerModel: `id-of-${model}` }] : [])),
} as unknown as Catalogue
const config = { models: new Map([['brand-style', {}]]) } as unknown as Config
const suggested = (name: string, allowed: readonly string[] | null = null): string => suggestModel(config, catalogue, name, allowed)

test.each([
  ['a name that others begin with', 'gpt-image-1', '"gpt-image-1.5" or "gpt-image-1-mini"'],
  ['a name that says half', 'flux-2-klein', '"flux-2-klein-4b" or "flux-2-klein-9b"'],
  ['a name without its family', 'nano-banana', '"gemini-nano-banana-2.1"'],
  ['a family', 'FLUX.2', '"flux-2-dev", "flux-2-max", "flux-2-pro", "flux-2-flex", "flux-2-klein-4b" or "flux-2-klein-9b"'],
  ['a name that says more', 'gemini-2.5-flash-image-preview', '"gemini-2.5-flash-image"'],
  ['a version that there is not', 'gpt-image-3', '"gpt-image-2"'],
  ['a misspelt name', 'flux-2-prp', '"flux-2-pro"'],
  ['a family misspelt', 'fulx-2-max', '"flux-2-max"'],
  ['another gateway’s name', 'black-forest-labs/flux-1.1-pro', '"flux-1.1-pro"'],
  ['a provider’s id', 'id-of-flux-2-dev', '"flux-2-dev"'],
  ['an alias', 'brand_styl', '"brand-style"'],
  ['a pinned name', 'north/gpt-image-1', '"north/gpt-image-1.5" or "north/gpt-image-1-mini"'],
  ['a pinned name of which the provider sells one', 'south/gpt-image', '"south/gpt-image-2"'],
])('a proposal for %s: %s', (_, name, expected) => {
  expect(suggested(name)).toBe(`did you mean ${expected}?`)
})

test.each(['dall-e-3', 'grok-image-2', 'qwen-image-2', 'luma-2-pro', 'sdxl', '-', '1'])(
  'nothing is proposed for %s, which is far from all: all are listed',
  (name) => {
    expect(suggested(name)).toMatch(/^there are gpt-image-1-mini, .+, brand-style$/)
  },
)

test('a name is proposed only where the key may use it, and a provider that does not sell what is meant is said so', () => {
  expect(suggested('gpt-image-1', ['gpt-image-2', 'flux-2-pro'])).toBe('did you mean "gpt-image-2"?')
  expect(suggested('west/flux-2-pr')).toBe('west does not sell flux-2-pro, which is sold by south')
})
