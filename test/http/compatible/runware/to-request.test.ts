import fc from 'fast-check'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { Manifest, requestSchema } from '#contract'
import type { JsonObject, Model } from '#contract'
import type { GenerationRecord } from '../../../../src/core/records.ts'
import { adapter } from '../../../../providers/runware/adapter.ts'
import { soldModel, toRequest, wantedOf } from '../../../../src/http/compatible/runware/to-request.ts'
import type { SoldModel } from '../../../../src/http/compatible/runware/to-request.ts'

const manifest = Manifest.parse(JSON.parse(readFileSync(new URL('../../../../providers/runware/manifest.json', import.meta.url), 'utf8')))
const schema = requestSchema({ runware: adapter.options })
const UUID = '39d7207a-87ef-4c93-8082-1431f9c1dc97'
const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 73, 72, 68, 82]).toString('base64')

const sold = (id: string): SoldModel => ({ id, limits: manifest.models[id]?.limits ?? null })
const pro = sold('flux-2-pro')
const task = (more: JsonObject = {}): JsonObject => ({
  taskType: 'imageInference',
  taskUUID: UUID,
  model: 'bfl:5@1',
  positivePrompt: 'a cat',
  width: 1024,
  height: 512,
  ...more,
})

function accepted(more: JsonObject = {}, model = pro) {
  const result = toRequest(task(more), UUID, model)
  if (result.kind === 'refused') throw new Error(JSON.stringify(result.errors))
  return result
}

const refused = (more: JsonObject, model = pro) => {
  const result = toRequest(task(more), UUID, model)
  return result.kind === 'refused' ? result.errors : []
}

/** The task without what `undefined` takes away. */
const without = (...names: string[]) => {
  const result = toRequest(Object.fromEntries(Object.entries(task()).filter(([name]) => !names.includes(name))), UUID, pro)
  return result.kind === 'refused' ? result.errors : []
}

describe('models', () => {
  const offer = (provider: string, provider_model: string) => ({ provider, provider_model }) as Model['offers'][number]
  const model = (id: string, alias_of: string | null, ...offers: Model['offers']) => ({ id, alias_of, offers }) as Model
  const models = [
    model('flux-2-pro', null, offer('bfl', 'flux-2-pro'), offer('runware', 'bfl:5@1')),
    model('house-style', 'flux-2-pro', offer('runware', 'bfl:5@1')),
    model('elsewhere', null, offer('bfl', 'bfl:9@9')),
  ]

  test('an AIR id is the model that Runware sells under it, never an alias of it', () => {
    expect(soldModel(models, 'bfl:5@1')?.id).toBe('flux-2-pro')
  })

  test('our own ids and aliases name themselves', () => {
    expect(soldModel(models, 'house-style')?.id).toBe('house-style')
    expect(soldModel(models, 'elsewhere')).toEqual({ id: 'elsewhere', limits: null })
  })

  test('another vendor’s name for a model is no AIR id', () => {
    expect(soldModel(models, 'bfl:9@9')).toBeNull()
    expect(soldModel(models, 'runware:100@1')).toBeNull()
  })

  test.each([
    ['flux-2-pro', 'bfl:5@1'],
    ['flux-2-flex', 'bfl:6@1'],
    ['flux-1.1-pro', 'bfl:2@1'],
  ])('the manifest calls %s %s', (id, air) => {
    expect(manifest.models[id]?.provider_model).toBe(air)
  })
})

describe('a task becomes a request', () => {
  test('with Runware’s own defaults said aloud', () => {
    expect(accepted()).toEqual({
      kind: 'request',
      request: {
        model: 'flux-2-pro',
        prompt: 'a cat',
        width: 1024,
        height: 512,
        output_format: 'jpeg',
        safety_tolerance: 2,
        prompt_upsampling: false,
        metadata: { runware_task_uuid: UUID },
      },
      warnings: [],
      wanted: { taskUUID: UUID, outputTypes: ['URL'], includeCost: false },
      isAsync: false,
      receivers: { webhookUrl: null, uploadUrl: null },
    })
  })

  test('with everything it can say', () => {
    const { request, isAsync } = accepted(
      {
        outputFormat: 'WEBP',
        outputQuality: 80,
        numberResults: 4,
        seed: 7,
        CFGScale: 4.5,
        steps: 30,
        deliveryMethod: 'async',
        providerSettings: { bfl: { promptUpsampling: true, safetyTolerance: 0 } },
        safety: { checkContent: true, mode: 'fast' },
        inputs: { referenceImages: ['https://example.com/a.jpg', PNG] },
      },
      sold('flux-2-flex'),
    )
    expect(isAsync).toBe(true)
    expect(request).toMatchObject({
      model: 'flux-2-flex',
      output_format: 'webp',
      output_quality: 80,
      n: 4,
      seed: 7,
      guidance: 4.5,
      steps: 30,
      prompt_upsampling: true,
      safety_tolerance: 0,
      provider_options: { runware: { safety: { checkContent: true, mode: 'fast' } } },
      reference_images: ['https://example.com/a.jpg', `data:image/png;base64,${PNG}`],
    })
  })

  test('one of our images is referred to by its imageUUID', () => {
    const { request } = accepted({ referenceImages: ['0197a1b2-c3d4-4e5f-8a9b-0c1d2e3f4a5b'] })
    expect(request['reference_images']).toEqual([{ image: 'img_0197a1b2c3d47e5f8a9b0c1d2e3f4a5b' }])
  })

  test('how the results are wanted is kept with the generation', () => {
    const { request, wanted } = accepted({ outputType: ['base64Data', 'URL', 'URL'], includeCost: true })
    expect(wanted).toEqual({ taskUUID: UUID, outputTypes: ['base64Data', 'URL'], includeCost: true })
    expect(wantedOf({ request } as unknown as GenerationRecord, 'another')).toEqual(wanted)
  })

  test('a webhook alone is acknowledged at once', () => {
    expect(accepted({ webhookURL: 'https://example.com/hook' })).toMatchObject({
      isAsync: true,
      receivers: { webhookUrl: 'https://example.com/hook', uploadUrl: null },
    })
    expect(accepted({ webhookURL: 'https://example.com/hook', deliveryMethod: 'sync' })).toMatchObject({ isAsync: false })
  })

  test('ttl cannot be honoured, and that is said', () => {
    expect(accepted({ ttl: 3600 }).warnings).toMatchObject([{ code: 'ignored_option', field: 'ttl', requested: 3600 }])
  })
})

describe('a task is refused in Runware’s vocabulary', () => {
  test.each<[string, JsonObject, string, unknown]>([
    ['a side off the step', { width: 1000 }, 'invalidWidth', 'width'],
    ['a side too large', { height: 4096 }, 'invalidHeight', 'height'],
    ['a number as text', { width: '1024' }, 'invalidWidth', 'width'],
    ['too many results', { numberResults: 21 }, 'invalidNumberResults', 'numberResults'],
    ['a seed a double cannot hold', { seed: 2 ** 53 }, 'invalidSeed', 'seed'],
    ['an empty prompt', { positivePrompt: '' }, 'invalidPositivePrompt', 'positivePrompt'],
    ['a format nobody has', { outputFormat: 'GIF' }, 'invalidOutputFormat', 'outputFormat'],
    ['an output type nobody has', { outputType: ['URL', 'file'] }, 'invalidOutputType', 'outputType'],
    ['an unknown setting', { providerSettings: { bfl: { raw: true } } }, 'unknownParameter', 'providerSettings.bfl.raw'],
    [
      'too many images',
      { inputs: { referenceImages: Array.from({ length: 9 }, () => PNG) } },
      'invalidReferenceImages',
      'inputs.referenceImages',
    ],
    ['a setting of the wrong kind', { safety: { checkContent: 'yes' } }, 'invalidCheckContent', 'safety.checkContent'],
    ['an image that is none', { inputs: { referenceImages: ['nothing at all'] } }, 'invalidReferenceImages', 'inputs.referenceImages'],
    ['a link with a line end', { webhookURL: 'https://exam\nple.com/hook' }, 'invalidWebhookURL', 'webhookURL'],
    ['a link with an escape', { uploadEndpoint: 'https://example.com/\u001b[2J' }, 'invalidUploadEndpoint', 'uploadEndpoint'],
    ['a link that is none', { webhookURL: 'file:///etc/passwd' }, 'invalidWebhookURL', 'webhookURL'],
    ['a parameter of other models', { negativePrompt: 'x' }, 'unknownParameter', 'negativePrompt'],
    ['steps, which [pro] does not have', { steps: 4 }, 'unknownParameter', 'steps'],
    ['an upload to what is no URL', { uploadEndpoint: 'example' }, 'invalidUploadEndpoint', 'uploadEndpoint'],
  ])('%s', (_what, more, code, parameter) => {
    expect(refused(more)).toEqual([{ code, message: expect.any(String), parameter }])
  })

  test('what is missing', () => {
    expect(without('positivePrompt')).toMatchObject([{ code: 'missingPositivePrompt', parameter: 'positivePrompt' }])
    expect(without('width', 'height').map(({ code }) => code)).toEqual(['missingWidth', 'missingHeight'])
    expect(without('height')).toMatchObject([{ code: 'incompatibleParameters', parameter: ['width', 'height'] }])
  })
})

const anyTask = fc.record(
  {
    positivePrompt: fc.string({ minLength: 1, maxLength: 200 }),
    width: fc.integer({ min: 16, max: 128 }).map((step) => step * 16),
    height: fc.integer({ min: 16, max: 128 }).map((step) => step * 16),
    seed: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    numberResults: fc.integer({ min: 1, max: 20 }),
    outputFormat: fc.constantFrom('JPG', 'PNG', 'WEBP'),
    outputType: fc.constantFrom('URL', 'base64Data', 'dataURI'),
    includeCost: fc.boolean(),
    deliveryMethod: fc.constantFrom('sync', 'async'),
    checkNSFW: fc.boolean(),
    referenceImages: fc.array(fc.constantFrom(PNG, 'https://example.com/a.png'), { maxLength: 8 }),
  },
  { requiredKeys: ['positivePrompt', 'width', 'height'] },
)

test('every valid task becomes a valid request that says the same, and its wishes are read back', () => {
  fc.assert(
    fc.property(anyTask, (fields) => {
      const { request, wanted } = accepted(fields)
      expect(schema.parse(request)).toMatchObject({
        prompt: fields.positivePrompt,
        width: fields.width,
        height: fields.height,
        ...(fields.seed === undefined ? {} : { seed: fields.seed }),
        ...(fields.numberResults === undefined ? {} : { n: fields.numberResults }),
      })
      expect(wantedOf({ request } as unknown as GenerationRecord, UUID)).toEqual(wanted)
    }),
  )
})

test('a parameter that holds any JSON is answered with a request, or with errors that name a parameter', () => {
  const names = [
    'width',
    'providerSettings',
    'inputs',
    'outputType',
    'safety',
    'ttl',
    'seed',
    'constructor',
    'webhookURL',
    'referenceImages',
  ]
  fc.assert(
    fc.property(fc.constantFrom(...names), fc.jsonValue(), (name, value) => {
      const result = toRequest(task({ [name]: value } as JsonObject), UUID, pro)
      if (result.kind === 'request') schema.parse(result.request)
      else expect(result.errors.every(({ code, parameter }) => code !== '' && parameter !== undefined)).toBe(true)
    }),
  )
})
