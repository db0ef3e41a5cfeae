/** Input of an operation that works when it is sent to a sandbox. An id stands for one that an earlier call returned. */
export interface OperationExamples {
  /** By name; each a whole body. */
  readonly body?: Readonly<Record<string, BodyExample>>
  /** Path, query and header parameters by name. */
  readonly parameters?: Readonly<Record<string, string | number>>
}

interface BodyExample {
  readonly summary: string
  /** Text as it is sent, where the type is no JSON; the fields of a form. */
  readonly value: unknown
  /** Media type; JSON unless named. */
  readonly type?: string
}

/** By `operationId`. */
export type Examples = Readonly<Record<string, OperationExamples>>

const LIGHTHOUSE = { model: 'flux-2-pro', prompt: 'A lighthouse on a cliff at dawn, oil on canvas' } as const
const GENERATION_ID = 'gen_01a21f1d54d27b4f8dd3ed997b35ec3d'
const COMPARISON_ID = 'cmp_01a21f1d54d27b4f8dd3ed997b35ec3d'
const DELIVERY_ID = 'whd_01a21f1d54d27b4f8dd3ed997b35ec3d'
const INVOICED_TASK = 'd3bf7898-2f6a-4c0b-9a41-0b3e5d2c9a41'
/** Of an image that is none of yours. */
const SHA256 = 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'
const IMAGE_FILE = 'img_01a21f1d5bed7b4f8dd3ed997b35ec3d.jpg'

const requests = {
  'by shape': { summary: 'A shape and a seed', value: { ...LIGHTHOUSE, aspect_ratio: '3:2', seed: 42 } },
  'by size': {
    summary: 'Two images of one size, cheapest provider first, none above 20 cents',
    value: { ...LIGHTHOUSE, width: 1024, height: 768, n: 2, output_format: 'png', provider: { sort: 'price', max_price_usd: '0.20' } },
  },
  rehearsed: {
    summary: 'A failure, rehearsed in the sandbox by a word in the prompt',
    value: { ...LIGHTHOUSE, prompt: 'sandbox:moderated A lighthouse', metadata: { campaign: 'spring' } },
  },
} as const

/** Examples of our own API. */
export const OWN_EXAMPLES: Examples = {
  describeProblem: { parameters: { code: 'moderated' } },
  createGeneration: { body: requests, parameters: { prefer: 'wait=30' } },
  listGenerations: { parameters: { limit: 20, status: 'succeeded', q: 'lighthouse' } },
  getGeneration: { parameters: { id: GENERATION_ID, prefer: 'wait=30' } },
  listAttemptCalls: { parameters: { id: GENERATION_ID, n: 1 } },
  cancelGeneration: { parameters: { id: GENERATION_ID } },
  streamGeneration: { parameters: { id: GENERATION_ID } },
  getImage: { parameters: { file: IMAGE_FILE } },
  backupImage: { parameters: { sha256: SHA256, format: 'jpeg' } },
  createQuote: { body: { 'by shape': requests['by shape'], 'by size': requests['by size'] } },
  createComparison: {
    body: { everywhere: { summary: 'At every provider that can take it', value: { ...LIGHTHOUSE, aspect_ratio: '1:1' } } },
    parameters: { prefer: 'wait=30' },
  },
  getComparison: { parameters: { id: COMPARISON_ID, prefer: 'wait=30' } },
  streamComparison: { parameters: { id: COMPARISON_ID } },
  listComparisons: { parameters: { limit: 20 } },
  getCosts: { parameters: { group_by: 'provider,model', from: '2026-01-01' } },
  getModel: { parameters: { id: LIGHTHOUSE.model } },
  reconcileInvoice: {
    body: {
      CSV: {
        summary: 'Lines of one task add up',
        value: `task_id,amount\n${INVOICED_TASK},0.03\n${INVOICED_TASK},0.015\n`,
        type: 'text/csv',
      },
      'JSON lines': {
        summary: 'One object on each line',
        value: `{"task_id":"${INVOICED_TASK}","cost":0.045}\n`,
        type: 'application/x-ndjson',
      },
      'JSON lines by another name': {
        summary: 'The same',
        value: `{"task_id":"${INVOICED_TASK}","cost":0.045}\n`,
        type: 'application/jsonl',
      },
    },
    parameters: { apply: 'false', unit: 'usd' },
  },
  createKey: {
    body: {
      limited: {
        summary: 'A key with a budget and a rate',
        value: { name: 'team-c', budget_usd: '50', period: 'month', rate: { per_minute: 60 } },
      },
    },
  },
  rotateKey: {
    body: { 'an hour': { summary: 'The secret before counts for an hour more', value: { grace_seconds: 3600 } } },
    parameters: { name: 'team-a' },
  },
  revokeKey: { parameters: { name: 'team-b' } },
  listWebhookDeliveries: { parameters: { limit: 20 } },
  getWebhookDelivery: { parameters: { id: DELIVERY_ID } },
  retryWebhookDelivery: { parameters: { id: DELIVERY_ID } },
}

/** Those that name a provider: the first that is installed. */
export const providerExamples = ([id]: readonly string[]): Examples =>
  id === undefined ? {} : { getProviderHistory: { parameters: { id } } }
