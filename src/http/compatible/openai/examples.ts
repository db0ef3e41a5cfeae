import type { Examples } from '../../openapi/examples.ts'

/** 64 by 64 pixels of one colour. */
const BLUE =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAMAAACdt4HsAAAAA1BMVEUdT8RYbFiaAAAACXBIWXMAAAPoAAAD6AG1e1JrAAAAG0lEQVRYw+3BgQAAAADDoPlT3+AEVQEAAAB8AxBAAAEZszF2AAAAAElFTkSuQmCC'

const plain = { model: 'flux-2-pro', prompt: 'A lighthouse on a cliff at dawn' } as const

export const OPENAI_EXAMPLES: Examples = {
  openaiGenerateImages: {
    body: {
      link: { summary: 'One image by link', value: { ...plain, size: '1536x1024' } },
      bytes: { summary: 'The bytes in the answer', value: { ...plain, response_format: 'b64_json' } },
    },
  },
  openaiEditImages: {
    body: {
      form: {
        summary: 'An image and what to make of it; the image as a file, or as a text field that holds a data: URI or an https URL',
        value: { ...plain, prompt: 'The same by night', image: BLUE, size: '1024x1024' },
        type: 'multipart/form-data',
      },
    },
  },
}
