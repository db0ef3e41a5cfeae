import type { Examples } from '../../openapi/examples.ts'

const plain = { model: 'flux-2-pro', prompt: 'A lighthouse on a cliff at dawn' } as const

export const OPENAI_EXAMPLES: Examples = {
  openaiGenerateImages: {
    body: {
      link: { summary: 'One image by link', value: { ...plain, size: '1536x1024' } },
      bytes: { summary: 'The bytes in the answer', value: { ...plain, response_format: 'b64_json' } },
    },
  },
}
