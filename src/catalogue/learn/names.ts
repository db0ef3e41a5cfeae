import type { Field } from './openapi.ts'

/** What vendors call the fields of an order, the commonest first. */
const NAMES = {
  model: ['model'],
  prompt: ['prompt', 'positivePrompt', 'positive_prompt', 'text_prompt'],
  n: ['n', 'num_images', 'numberResults', 'number_results', 'num_outputs', 'batch_size'],
  width: ['width'],
  height: ['height'],
  size: ['size', 'image_size', 'imageSize'],
  aspect_ratio: ['aspect_ratio', 'aspectRatio'],
  tier: ['resolution'],
  references: [
    'reference_images',
    'referenceImages',
    'input_references',
    'image_urls',
    'input_images',
    'images',
    'image_url',
    'input_image',
    'image',
  ],
  mask: ['mask', 'mask_url', 'mask_image', 'image_mask'],
  seed: ['seed'],
  output_format: ['output_format', 'outputFormat'],
  output_quality: ['output_quality', 'outputQuality'],
  safety_tolerance: ['safety_tolerance'],
  prompt_upsampling: ['prompt_upsampling', 'enhance_prompt'],
  guidance: ['guidance', 'guidance_scale', 'cfg_scale'],
  steps: ['steps', 'num_inference_steps'],
  webhook: ['webhook', 'webhook_url', 'callback_url'],
} as const

export type Named = { readonly [Name in keyof typeof NAMES]?: Field }

/** Fields of a body by our names; those inside a list or deeper than one object are no part of an order. */
export function named(fields: readonly Field[]): Named {
  const near = fields.filter(({ at }) => !at.includes('*') && at.split('/').length <= 3)
  const found = Object.entries(NAMES).flatMap(([ours, theirs]) => {
    const field = theirs.map((name) => near.find((one) => one.name === name)).find((one) => one !== undefined)
    return field === undefined ? [] : [[ours, field] as const]
  })
  return Object.fromEntries(found)
}
