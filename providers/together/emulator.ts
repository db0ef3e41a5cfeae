import { check, createImagesEmulator, json, shaped } from '#sandbox'
import type { Checks, EmulatedModel, WireReply } from '#sandbox'
import manifest from './manifest.json' with { type: 'json' }

const { fields, flag, form, list, number, oneOf, text, whole } = check
const link = form('a URL', check.isHttpUrl)
const COMMON: Checks = {
  model: text(1),
  prompt: text(1),
  n: whole({ min: 1, max: 4 }),
  seed: whole(),
  negative_prompt: text(),
  output_format: oneOf('jpeg', 'png'),
  response_format: oneOf('base64', 'url'),
  disable_safety_checker: flag,
}
const side = (most: number, step: number) => whole({ min: 256, max: most, step })
const sides = (most: number, step: number): Checks => check.each(['width', 'height'], side(most, step))
const sampling = { steps: whole({ min: 1, max: 50 }), guidance_scale: number({ min: 1, max: 10 }) }
const references = { reference_images: list(link, 8, 1), image_url: link }

/** The price of each is made up: none could be read. */
const model = (own: Checks, more: Partial<EmulatedModel> = {}): EmulatedModel => ({
  schema: fields({ ...COMMON, ...own }, { required: ['model', 'prompt'] }),
  price: { flat: '0.04' },
  ...more,
})
const flux2 = sides(2048, 8)
const kontext = model({ image_url: link, aspect_ratio: check.aspectRatio(21 / 9) }, { size: shaped(1024, '1:1') })

/** Fields as together-ai 0.52.0 types them, by model as https://docs.together.ai/docs/images-overview divides them (2026-11-28). */
const MODELS: Readonly<Record<string, EmulatedModel>> = {
  'black-forest-labs/FLUX.2-pro': model({ ...flux2, ...references }),
  'black-forest-labs/FLUX.2-flex': model({ ...flux2, ...references, ...sampling }),
  'black-forest-labs/FLUX.2-max': model(flux2),
  'black-forest-labs/FLUX.2-dev': model({ ...flux2, ...sampling, reference_images: list(link, 8, 1) }),
  'black-forest-labs/FLUX.1.1-pro': model(sides(1440, 8)),
  'black-forest-labs/FLUX.1-kontext-pro': kontext,
  'black-forest-labs/FLUX.1-kontext-max': kontext,
}

const problem = (status: number, message: string, code: string | null = null, more: object = {}): WireReply =>
  json(status, {
    id: 'sandbox',
    error: { message, type: status < 500 ? 'invalid_request_error' : 'server_error', param: null, code, ...more },
  })

/** `POST /v1/images/generations` (together-ai 0.52.0, 2026-09-12). Codes and words of errors are made up: none are documented. */
export const startEmulator = createImagesEmulator({
  provider: manifest.id,
  path: '/v1/images/generations',
  typicalMs: 4000,
  unplayed: ['huge-bill', 'zero-bill'],
  models: MODELS,
  references: ['reference_images', 'image_url'],
  problem,
  replies: { 'wrong-key': problem(401, 'Invalid API key provided.', 'invalid_api_key') },
  moderated: (isOutput) =>
    problem(422, 'The request was refused by the safety system.', 'content_policy_violation', {
      moderation_details: { moderation_stage: isOutput ? 'output' : 'input' },
    }),
  item: (base64, _image, index) => ({ index, type: 'b64_json', b64_json: base64 }),
  reply: ({ id, facts }, data) => ({ id, model: facts, object: 'list', data }),
})
