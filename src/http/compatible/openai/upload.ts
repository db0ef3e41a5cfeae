import type { Multipart, MultipartFile } from '@fastify/multipart'
import { MAX_REFERENCE_IMAGES } from '#contract'
import { tooLarge } from './error-handler.ts'
import type { FormField } from './form.ts'
import { refusal } from './problems.ts'
import type { OpenaiProblem } from './problems.ts'

export type Upload =
  | {
      readonly kind: 'form'
      readonly fields: readonly FormField[]
      /** The files as `data:` URIs, in the order they came. */
      readonly images: readonly string[]
    }
  | { readonly kind: 'refused'; readonly problem: OpenaiProblem }

const IMAGE_FIELD = /^image(\[\d{0,3}\])?$/
const MASK = 'A mask is not supported: no offer edits by mask. Leave it out and say in the prompt what to change.'
const MARKUP = 'A markup image is not supported. Leave it out, or send it as a further image and say in the prompt what it shows.'

/**
 * Reads a form part by part. What is refused is still read to its end, unkept, so that the answer reaches a client that sends before it listens.
 * @param maxBytes of all files together
 */
export async function readUpload(parts: AsyncIterable<Multipart>, maxBytes: number): Promise<Upload> {
  const fields: FormField[] = []
  const images: string[] = []
  let left = maxBytes
  let problem: OpenaiProblem | null = null
  for await (const part of parts) {
    const fault = faultOf(part, images.length)
    if (part.type === 'field') {
      problem ??= fault
      if (IMAGE_FIELD.test(part.fieldname)) images.push(textOf(part.value))
      else fields.push({ name: part.fieldname, value: textOf(part.value) })
      continue
    }
    if (problem ?? fault) {
      problem ??= fault
      await drain(part)
      continue
    }
    const bytes = await bytesOf(part, left)
    const format = bytes === null ? null : formatOf(bytes)
    if (bytes === null) problem = tooLarge(`The files are larger than this server takes (${maxBytes} bytes together).`, part.fieldname)
    else if (format === null) problem = notAImage(part.fieldname)
    else {
      left -= bytes.length
      images.push(`data:image/${format};base64,${bytes.toString('base64')}`)
    }
  }
  return problem ? { kind: 'refused', problem } : { kind: 'form', fields, images }
}

function faultOf(part: Multipart, imagesBefore: number): OpenaiProblem | null {
  const { fieldname: param } = part
  const refuse = (message: string, as?: string) => refusal('invalid_request', message, { param, ...(as ? { as } : {}) })
  if (param === 'mask') return refuse(MASK, 'unsupported_parameter')
  if (param === 'markup') return refuse(MARKUP, 'unsupported_parameter')
  if (part.type === 'field' && part.valueTruncated) return refuse(`'${param}' is too long for a text field; send images as files.`)
  if (!IMAGE_FIELD.test(param)) return part.type === 'file' ? refuse(`Unknown parameter: '${param}'.`, 'unknown_parameter') : null
  if (imagesBefore >= MAX_REFERENCE_IMAGES) return refuse(`At most ${MAX_REFERENCE_IMAGES} images can be sent with a request.`)
  return null
}

const notAImage = (param: string): OpenaiProblem =>
  refusal('invalid_request', 'The file is not a PNG, JPEG or WebP image.', { param, as: 'invalid_image_file' })

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

/** Null where it is larger than `maxBytes`, or was cut off by the parser's own limit, which ends the stream as if it were whole. */
async function bytesOf(part: MultipartFile, maxBytes: number): Promise<Buffer | null> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of part.file as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length <= maxBytes) chunks.push(chunk)
    else chunks.length = 0
  }
  return part.file.truncated || length > maxBytes ? null : Buffer.concat(chunks)
}

async function drain(part: MultipartFile): Promise<void> {
  for await (const _ of part.file);
}

/** By its first bytes; what the client says of the type is often `application/octet-stream`. */
function formatOf(bytes: Buffer): 'png' | 'jpeg' | 'webp' | null {
  if (bytes.subarray(0, 8).toString('hex') === '89504e470d0a1a0a') return 'png'
  if (bytes.subarray(0, 3).toString('hex') === 'ffd8ff') return 'jpeg'
  return bytes.subarray(0, 4).toString('latin1') === 'RIFF' && bytes.subarray(8, 12).toString('latin1') === 'WEBP' ? 'webp' : null
}
