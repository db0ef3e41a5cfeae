/**
 * What other image APIs call the fields of a request, by their names: the field here, or what to do instead. Only for remedies; nothing is read
 * under these names.
 */
const FOREIGN_FIELDS: Readonly<Record<string, readonly string[]>> = {
  width: ['image_width'],
  height: ['image_height'],
  'width and height': ['size', 'image_size', 'resolution', 'dimensions'],
  aspect_ratio: ['aspectRatio', 'ratio'],
  n: ['num_images', 'num_outputs', 'numberResults', 'number_of_images', 'sampleCount', 'batch_size', 'samples', 'count'],
  steps: ['num_inference_steps', 'inference_steps', 'sampling_steps'],
  guidance: ['guidance_scale', 'cfg_scale', 'CFGScale', 'cfg'],
  reference_images: [
    'image',
    'images',
    'image_url',
    'image_urls',
    'input_image',
    'input_images',
    'init_image',
    'image_prompt',
    'seedImage',
    'referenceImages',
    'reference_image',
  ],
  mask: ['mask_image', 'maskImage', 'mask_url', 'image_mask'],
  output_format: ['format', 'outputFormat', 'image_format'],
  output_quality: ['outputQuality', 'output_compression', 'compression'],
  prompt_upsampling: ['prompt_enhance', 'enhance_prompt', 'promptUpsampling', 'prompt_optimizer'],
  safety_tolerance: ['moderation', 'safety_level', 'safetyTolerance'],
  webhook: ['webhook_url', 'webhookURL', 'callback_url', 'callbackUrl'],
  metadata: ['user', 'tags', 'labels'],
  prompt: ['text', 'input', 'positivePrompt', 'description'],
  model: ['model_id', 'modelId', 'engine'],
}

const REMEDIES: Readonly<Record<string, string>> = {
  response_format: 'every image is a link here, in images[].url; the file format is output_format',
  outputType: 'every image is a link here, in images[].url; the file format is output_format',
  negative_prompt: 'say in prompt what the image shows, not what it leaves out',
  negativePrompt: 'say in prompt what the image shows, not what it leaves out',
  sync_mode: 'send the header Prefer: wait=<seconds>, or Prefer: respond-async',
  stream: 'GET /v1/generations/{id}/events streams what happens',
  enable_safety_checker: 'use safety_tolerance, 0 is strictest',
  disable_safety_checker: 'use safety_tolerance, 0 is strictest',
  providers: 'use provider: { "only": […] }; providers is a field of a comparison',
}

const OURS: ReadonlyMap<string, string> = new Map(
  Object.entries(FOREIGN_FIELDS).flatMap(([ours, names]) => names.map((name) => [name.toLowerCase(), ours] as const)),
)

/** What to write instead of a field that other APIs know, as the rest of "… is an unknown field; "; null where it is nobody's, or not `known` here. */
export function insteadOf(name: string, known: readonly string[]): string | null {
  if (!known.includes('reference_images')) return null
  const remedy = Object.hasOwn(REMEDIES, name) ? REMEDIES[name] : undefined
  if (remedy !== undefined) return remedy
  const ours = OURS.get(name.toLowerCase())
  return ours === undefined ? null : `use ${ours}`
}
