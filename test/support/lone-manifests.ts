import { manifest, modelEntry } from '../catalogue/fake-providers.ts'

/** Four vendors, each a folder that holds this manifest and nothing else. */

const entry = modelEntry()
const limits = {
  ...entry.limits,
  n: { max: 4 },
  reference_images: { max: 2, forms: ['data_uri'] },
  quality: { type: 'enum', values: ['low', 'high'], default: null },
}
const atOnce = { ...manifest('x', {}).declares, delivery: ['sync'], batch: true, cost: 'at_result' }

/** OpenAI's shape, with references in the JSON. */
const acme = {
  // A price that was read today is doubted on no day that the tests may run on.
  ...manifest('acme', { big: { ...entry, limits, price: { ...entry.price, as_of: new Date().toISOString().slice(0, 10) } } }),
  auth: { header: 'authorization', scheme: 'Bearer', env: 'ACME_API_KEY' },
  shape: { name: 'openai-images', references: 'reference_images' },
  declares: atOnce,
}

const tokenPrice = {
  kind: 'token',
  per_million: { text_input: '5', image_input: null, cached_input: null, image_output: '30', text_output: null },
  output_tokens: null,
  reference_tokens: null,
  as_of: '2026-08-01',
  source_url: 'https://prices.example.com/',
}

/** OpenAI's shape, with references and masks in a form. */
const forms = {
  ...manifest('forms', { masked: { ...entry, limits: { ...limits, mask: true }, price: tokenPrice } }),
  auth: { header: 'authorization', scheme: 'Bearer', env: 'FORMS_API_KEY' },
  shape: { name: 'openai-images', references: 'multipart' },
  declares: atOnce,
}

const queueLimits = { ...entry.limits, seed: { type: 'range', min: 0, max: 100 }, reference_images: { max: 2, forms: ['data_uri', 'url'] } }
const pricePerUnit = {
  kind: 'per_image',
  per_image: '0.04',
  unit_amount: '0.02',
  as_of: '2026-11-01',
  source_url: 'https://prices.example.com/',
}
const queueDeclares = { ...manifest('x', {}).declares, webhook: true, cancel: true }
const auth = (env: string) => ({ header: 'authorization', scheme: 'Key', env })

/** Where status and result have addresses of their own, and units are counted in a header. */
const queued = {
  ...manifest('queued', { big: { ...entry, limits: queueLimits, price: pricePerUnit, provider_model: 'acme/pro' } }),
  auth: auth('QUEUED_API_KEY'),
  shape: {
    name: 'queue-by-returned-urls',
    path: '/queue/{provider_model}',
    references_path: '/queue/{provider_model}/edit',
    body: {
      prompt: '/prompt',
      width: '/image_size/width',
      height: '/image_size/height',
      seed: '/seed',
      references: '/image_urls',
      output_format: { at: '/output_format', values: { jpeg: 'jpg' } },
    },
    webhook_query: 'hook',
    accepted: { id: '/request_id', poll: '/status_url', result: '/response_url', cancel: '/cancel_url' },
    status: { at: '/status', words: { IN_QUEUE: 'pending', IN_PROGRESS: 'pending', COMPLETED: 'done' } },
    images: ['/images/*/url'],
    seed: '/seed',
    cost: { header: 'x-billable-units', unit: 'units' },
    errors: { code: ['/detail/0/type', '/error_type'], message: ['/detail/0/msg', '/detail'], moderated: ['content_policy_violation'] },
    cancel_method: 'PUT',
  },
  declares: { ...queueDeclares, cost: 'at_result', seed_returned: true },
}

/** Where one address says everything, and tasks are listed. */
const listed = {
  ...manifest('listed', { listed: { ...entry, limits: queueLimits } }),
  auth: auth('LISTED_API_KEY'),
  shape: {
    name: 'queue-by-returned-urls',
    path: '/v1/predictions',
    body: {
      model: '/version',
      prompt: '/input/prompt',
      width: '/input/width',
      height: '/input/height',
      references: '/input/images',
      seed: '/input/seed',
      webhook: '/webhook',
    },
    accepted: { id: '/id', poll: '/urls/get', cancel: '/urls/cancel' },
    status: {
      at: '/status',
      words: { starting: 'pending', processing: 'pending', succeeded: 'done', failed: 'failed', canceled: 'canceled' },
    },
    images: ['/output/*', '/output'],
    errors: { message: ['/error', '/title'] },
    cancel_method: 'POST',
    listing: { path: '/v1/predictions', items: '/results', ours: '/webhook' },
  },
  declares: { ...queueDeclares, recover: true },
}

/** As files of a folder of providers, by their path. */
export const LONE_MANIFESTS: Readonly<Record<string, object>> = {
  'acme/manifest.json': acme,
  'forms/manifest.json': forms,
  'queued/manifest.json': queued,
  'listed/manifest.json': listed,
}
