import { z } from 'zod'
import { QueueShape } from '#contract'

/** What the kontext models and FLUX 1.1 call the expansion of a prompt. */
const enhanced = { prompt_upsampling: '/enhance_prompt' }
const kontext = { path: '/{provider_model}/text-to-image', references_path: '/{provider_model}/multi', body: enhanced }
const KONTEXTS = ['fal-ai/flux-pro/kontext', 'fal-ai/flux-pro/kontext/max']
const each = <Value>(value: Value) => Object.fromEntries(KONTEXTS.map((model) => [model, value]))

/**
 * fal’s queue and the fields of its endpoints: @fal-ai/client 1.10.1 of 2026-05-04, `types/endpoints.d.ts` and `queue.ts`; FLUX 3 and GPT
 * Image 2 as `manifest.json` says. A size is always said where there is one: without it fal draws 4:3.
 */
export const SHAPE = QueueShape.parse({
  name: 'queue-by-returned-urls',
  path: '/{provider_model}',
  references_path: '/{provider_model}/edit',
  body: {
    prompt: '/prompt',
    width: '/image_size/width',
    height: '/image_size/height',
    aspect_ratio: '/aspect_ratio',
    references: '/image_urls',
    seed: '/seed',
    output_format: '/output_format',
    safety_tolerance: { at: '/safety_tolerance', as: 'text' },
    prompt_upsampling: '/enable_prompt_expansion',
    guidance: '/guidance_scale',
    steps: '/num_inference_steps',
  },
  webhook_query: 'fal_webhook',
  models: {
    'blackforestlabs/flux-3': {
      path: '/{provider_model}/text-to-image',
      references_path: '/{provider_model}/edit-image',
      body: { tier: '/resolution', safety_tolerance: '/safety_tolerance' },
    },
    'fal-ai/flux-pro/v1.1': { body: enhanced },
    'fal-ai/flux-pro/v1.1-ultra': { path: '/{provider_model}', body: { ...enhanced, references: { at: '/image_url', as: 'first' } } },
    ...each(kontext),
    'openai/gpt-image-2': { body: { quality: '/quality', mask: '/mask_url' } },
  },
  accepted: { id: '/request_id', poll: '/status_url', result: '/response_url', cancel: '/cancel_url' },
  status: { at: '/status', words: { IN_QUEUE: 'pending', IN_PROGRESS: 'pending', COMPLETED: 'done' } },
  images: ['/images/*/url'],
  seed: '/seed',
  flagged: '/has_nsfw_concepts/*',
  prompt_used: '/prompt',
  cost: { header: 'x-fal-billable-units', unit: 'units' },
  errors: {
    code: ['/detail/0/type', '/error_type'],
    message: ['/detail/0/msg', '/detail', '/message'],
    moderated: ['content_policy_violation'],
  },
  cancel_method: 'PUT',
})

/** With one reference the kontext models have an endpoint that takes it alone. */
export const SHAPE_OF_ONE = QueueShape.parse({
  ...SHAPE,
  models: {
    ...SHAPE.models,
    ...each({ ...kontext, references_path: '/{provider_model}', body: { ...enhanced, references: { at: '/image_url', as: 'first' } } }),
  },
})

const texts = z.array(z.string()).catch([])
const Issue = z.looseObject({ loc: z.array(z.unknown()).catch([]), categories: texts.optional() })

/** A model’s error: https://fal.ai/docs/documentation/model-apis/errors.md, read 2026-11-28. */
export const ModelError = z.looseObject({ detail: z.tuple([Issue], Issue) })

/** `OK`, `CANCELLATION_REQUESTED`, `ALREADY_COMPLETED` or `NOT_FOUND`: https://fal.ai/docs/inference-api/queue/cancel, read 2026-11-28. */
export const CancelReply = z.looseObject({ status: z.string() })
