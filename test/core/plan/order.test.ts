import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Adapter, Manifest, Order } from '#contract'
import type { Route } from '../../../src/core/records.ts'
import { orderFor, referenceForm, seedFor, tasksOf, translateOrder } from '../../../src/core/plan/order.ts'
import { bfl, stored, unseen } from './offers.ts'

const SEEDS = { type: 'range', min: 0, max: 100 } as const

const route = (applied: Partial<Route['applied']> = {}): Route => ({
  provider: 'bfl',
  model: 'flux-2-pro',
  providerModel: 'flux-2-pro',
  applied: { n: 2, reference_images: 0, ...applied },
  warnings: [],
  tasks: [1, 1],
  quoted: null,
  price: null,
  options: { raw: true },
})
const attempt = { taskId: '7b2f0c1e-9f57-4f0a-8a53-1f0f3a1f9c11', images: 1, seed: null }

describe('the call for a task', () => {
  const translated: Order[] = []
  const adapter: Adapter = {
    options: z.unknown(),
    translate(order) {
      translated.push(order)
      return { call: { purpose: 'submit', method: 'POST', url: '/v1' }, warnings: [] }
    },
    interpret: () => ({ kind: 'done', images: [] }),
  }
  const manifest = { models: { 'flux-2-pro': { limits: bfl.limits } } } as unknown as Manifest
  const task = { route: route({ seed: 7 }), prompt: 'a fox', attempt, references: [] }

  it('is what the adapter makes of the order', () => {
    expect(translateOrder({ adapter, manifest }, task)?.call.url).toBe('/v1')
    expect(translated).toEqual([orderFor({ ...task, limits: bfl.limits })])
  })

  it('holds the address of a callback, except for a model that takes none', () => {
    const webhook = { url: 'https://gate.example/hooks/1', secret: 's' }
    const silent = { models: { 'flux-2-pro': { limits: bfl.limits, webhook: false } } } as unknown as Manifest
    translated.length = 0
    for (const each of [manifest, silent]) translateOrder({ adapter, manifest: each }, { ...task, webhook })
    expect(translated.map((order) => order.webhook)).toEqual([webhook, undefined])
  })

  it('is none where the provider no longer offers the model', () => {
    expect(translateOrder({ adapter, manifest }, { ...task, route: { ...task.route, model: 'gone' } })).toBeNull()
  })

  it('is for one of the tasks of the route, each with its images and its seed', () => {
    expect(tasksOf({ ...task.route, tasks: [2, 1] }, bfl.limits)).toEqual([
      { task: 0, images: 2, seed: '7' },
      { task: 1, images: 1, seed: '9' },
    ])
    expect(tasksOf(task.route, null).map(({ seed }) => seed)).toEqual([null, null])
  })
})

describe('an order', () => {
  it('holds nothing that was not asked for', () => {
    expect(orderFor({ route: route(), limits: bfl.limits, prompt: 'a fox', attempt, references: [] })).toEqual({
      taskId: attempt.taskId,
      model: 'flux-2-pro',
      providerModel: 'flux-2-pro',
      limits: bfl.limits,
      prompt: 'a fox',
      references: [],
      count: 1,
      options: { raw: true },
    })
  })

  it('holds every adapted value, zero and false included', () => {
    const applied = {
      width: 1024,
      height: 768,
      output_format: 'png',
      output_quality: 80,
      safety_tolerance: 0,
      prompt_upsampling: false,
      guidance: 2.5,
      steps: 20,
      seed: 7,
    }
    const order = orderFor({
      route: route(applied),
      limits: bfl.limits,
      prompt: 'a fox',
      attempt: { ...attempt, images: 4, seed: '0' },
      references: ['https://example.com/a.png'],
      webhook: { url: 'https://img.example.com/hook', secret: 'test-secret' },
    })
    expect(order).toMatchObject({
      width: 1024,
      height: 768,
      outputFormat: 'png',
      outputQuality: 80,
      safetyTolerance: 0,
      promptUpsampling: false,
      guidance: 2.5,
      steps: 20,
      seed: '0',
      count: 4,
      references: ['https://example.com/a.png'],
      webhook: { url: 'https://img.example.com/hook' },
    })
  })
})

describe('the seed of a task', () => {
  it('is none where none was asked or the offer takes none', () => {
    expect(seedFor(undefined, 0, [1], SEEDS)).toBeNull()
    expect(seedFor(5, 0, [1], null)).toBeNull()
  })

  it('is raised by the images of the tasks before it', () => {
    expect([0, 1, 2].map((index) => seedFor(5, index, [4, 4, 2], SEEDS))).toEqual(['5', '9', '13'])
  })

  it('goes on from the smallest beyond the greatest', () => {
    expect([0, 1, 2].map((index) => seedFor(99, index, [1, 1, 1], SEEDS))).toEqual(['99', '100', '0'])
    expect([0, 1].map((index) => seedFor(10, index, [1, 1], { type: 'range', min: 10, max: 10 }))).toEqual(['10', '10'])
  })

  it('keeps every digit up to 2^63−1, and goes on from the smallest there', () => {
    const wide = { type: 'range', min: 0, max: 2 ** 63 } as const
    expect(seedFor(Number.MAX_SAFE_INTEGER, 1, [1, 1], wide)).toBe('9007199254740992')
    expect(seedFor('9223372036854775807', 0, [1], wide)).toBe('9223372036854775807')
    expect(seedFor('9223372036854775807', 1, [1, 1], wide)).toBe('0')
  })
})

describe('the form of a reference', () => {
  it('is the link itself where the offer takes links', () => {
    expect(referenceForm(unseen, ['url', 'base64'])).toBe('url')
  })

  it('is bytes where it does not, or where only bytes are there', () => {
    expect(referenceForm(unseen, ['base64'])).toBe('base64')
    expect(referenceForm(stored(8, 8), ['url', 'base64'])).toBe('base64')
    expect(referenceForm(stored(8, 8), ['url', 'data_uri', 'base64'])).toBe('data_uri')
  })
})
