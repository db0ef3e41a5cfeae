import { check, createImagesEmulator, json } from '#sandbox'
import type { EmulatedModel, Fields, Pixels, WireReply } from '#sandbox'
import manifest from './manifest.json' with { type: 'json' }

const FREE = /^(\d{1,4})x(\d{1,4})$/
const sizeOf = ({ size }: Fields): Pixels => {
  const [, width = '1024', height = '1024'] = FREE.exec(String(size)) ?? []
  return { width: Number(width), height: Number(height) }
}

/** The price is made up; that of FLUX-2-dev is about its page's at 1024x1024. */
const model = (least: number, most: number, step: number, flat: string): EmulatedModel => ({
  schema: check.fields(
    {
      model: check.text(1),
      prompt: check.text(1),
      n: check.whole({ min: 1, max: 4 }),
      response_format: check.oneOf('b64_json'),
      ...check.each(['user', 'quality', 'style'], check.text()),
      size: check.form('a size this model has', (text) => {
        const { width, height } = sizeOf({ size: text })
        return FREE.test(text) && [width, height].every((side) => side >= least && side <= most && side % step === 0)
      }),
    },
    { required: ['model', 'prompt'] },
  ),
  size: { ofBody: sizeOf },
  price: { flat },
})

const problem = (status: number, message: string, code: string | null = null, more: object = {}): WireReply =>
  json(status, { error: { message, type: status < 500 ? 'invalid_request_error' : 'server_error', param: null, code, ...more } })

/** The OpenAI-compatible images of DeepInfra's OpenAPI (2026-05-20). Bounds of sizes and words of errors are made up: none are documented. */
export const startEmulator = createImagesEmulator({
  provider: manifest.id,
  path: '/v1/openai/images/generations',
  typicalMs: 4000,
  unplayed: ['huge-bill', 'zero-bill'],
  models: {
    'black-forest-labs/FLUX-2-dev': model(512, 2048, 16, '0.01'),
    'black-forest-labs/FLUX-1.1-pro': model(256, 1440, 32, '0.04'),
  },
  problem,
  replies: {},
  moderated: (isOutput) =>
    problem(400, 'The request was refused by the safety system.', 'content_policy_violation', {
      moderation_details: { moderation_stage: isOutput ? 'output' : 'input' },
    }),
  item: (base64) => ({ b64_json: base64, revised_prompt: null, url: null }),
  reply: ({ createdAt }, data) => ({ created: Math.floor(createdAt / 1000), data }),
})
