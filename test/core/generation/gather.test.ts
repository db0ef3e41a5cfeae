import { expect, test } from 'vitest'
import type { GenerationRequest } from '#contract'
import type { KeyPolicy, Standing } from '../../../src/core/keys/key-policy.ts'
import { createGather } from '../../../src/core/generation/gather.ts'
import type { Offers } from '../../../src/core/offers.ts'
import { createWorld } from './world.ts'

const policy: KeyPolicy = {
  name: 'team',
  budgetUsd: null,
  period: 'month',
  models: null,
  providers: null,
  allowUnpriced: false,
  admin: false,
}
const asked: GenerationRequest = { model: 'model-x', prompt: 'a lighthouse' }

function gatherAt(standing: () => Standing) {
  const { ports } = createWorld({ script: () => ({ kind: 'failed' }) as never })
  const offers: Offers = {
    standing,
    resolve: (request) => ({ request, model: request.model, pinned: null, rule: {} }),
    candidates: () => [],
    providers: () => [],
    suggestModel: () => '',
    safetyOptions: () => [],
    ofModel: () => [],
    keys: () => [],
  }
  return createGather({ ports, offers, roll: () => 0 })
}

test('a key that has ended is not as none: its request is refused, whenever it ended', async () => {
  const ended: Standing = { kind: 'ended', key: 'team' }
  await expect(gatherAt(() => ended)(asked, 'team')).rejects.toMatchObject({ code: 'unauthorized' })
  let standing: Standing = { kind: 'key', policy }
  const withReference = { ...asked, reference_images: ['https://images.example/harbour.png'] }
  const whileReferencesCome = gatherAt(() => standing)(withReference, 'team', async (references) => {
    standing = ended
    return references
  })
  await expect(whileReferencesCome).rejects.toMatchObject({ code: 'unauthorized' })
  expect((await gatherAt(() => ({ kind: 'everybody' }))(asked, null)).policy).toBeNull()
})
