import type { Multipart, MultipartFile } from '@fastify/multipart'
import { formatOf, MAX_REFERENCE_IMAGES, SIGNATURE_BYTES } from '#contract'
import { holdChunks } from '../../../reading/held-bytes.ts'
import { decodeUtf8 } from '../../read-body.ts'
import { tooLarge } from './error-handler.ts'
import type { FormField } from './form.ts'
import { refusal } from './problems.ts'
import type { OpenaiProblem } from './problems.ts'

export type Upload =
  | {
      readonly kind: 'form'
      readonly fields: readonly FormField[]
      /** The files as `data:` URIs with stand-ins for their bytes, in the order they came. */
      readonly images: readonly string[]
      /** The same of the mask; null where none came as a file. */
      readonly mask: string | null
    }
  | { readonly kind: 'refused'; readonly problem: OpenaiProblem }

export const MOST_FORM_FIELDS = 200
const MOST_FIELD_BYTES = 1_048_576
/** Of all image fields that are texts: what of them is an image itself is read in one go, as files are not. */
const MOST_TEXT_IMAGE_BYTES = 65_536

const IMAGE_FIELD = /^image(\[\d{0,3}\])?$/
const MARKUP = 'A markup image is not supported. Leave it out, or send it as a further image and say in the prompt what it shows.'

/** A part as the parser gives it: every one is read as bytes, since a text that is decoded for us loses what is no UTF-8. */
export const PARTS_AS_BYTES = { isPartAFile: () => true } as const

/** A part that names no file and is not labelled as one. */
const isText = ({ filename, mimetype }: MultipartFile): boolean => !filename && mimetype !== 'application/octet-stream'

/**
 * Reads a form part by part. What is refused is still read to its end, unkept, so that the answer reaches a client that sends before it listens.
 * @param parts read as bytes: `PARTS_AS_BYTES`
 * @param maxBytes of all parts together
 * @param standIns takes each stand-in as it is made, also where the form is refused in the end; whoever asked releases them
 * @param caller who sends it
 * @throws HttpProblem where a text is no UTF-8
 */
export async function readUpload(parts: AsyncIterable<Multipart>, maxBytes: number, standIns: string[], caller: string): Promise<Upload> {
  const held = async (format: string, chunks: readonly Buffer[]): Promise<string> => {
    const standIn = await holdChunks(chunks, caller)
    standIns.push(standIn)
    return `data:image/${format};base64,${standIn}`
  }
  const fields: FormField[] = []
  const images: string[] = []
  let mask: string | null = null
  let left = maxBytes
  let leftOfTextImages = MOST_TEXT_IMAGE_BYTES
  let problem: OpenaiProblem | null = null
  let number = 0
  for await (const part of parts) {
    if (part.type === 'field') continue
    number += 1
    problem ??= namelessness(part, number) ?? faultOf(part, images.length, fields.length, mask !== null)
    if (problem) {
      await drain(part)
      continue
    }
    const { fieldname } = part
    const isTextImage = isText(part) && namesImages(fieldname)
    const mostText = isTextImage ? leftOfTextImages : MOST_FIELD_BYTES
    const chunks = await chunksOf(part, isText(part) ? Math.min(left, mostText) : left)
    if (chunks === null) {
      problem = isText(part)
        ? refusal('invalid_request', `'${fieldname}' is too long for a text field; send images as files.`, { param: fieldname })
        : tooLarge(`The files are larger than this server takes (${maxBytes} bytes together).`, fieldname)
      continue
    }
    const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    left -= length
    if (isTextImage) leftOfTextImages -= length
    const bytes = isText(part) ? Buffer.concat(chunks) : firstOf(chunks)
    const format = isText(part) ? null : formatOf(bytes)
    if (!isText(part) && format === null) problem = notAnImage(fieldname)
    else if (format !== null && fieldname === 'mask') mask = await held(format, chunks)
    else if (format !== null) images.push(await held(format, chunks))
    else if (IMAGE_FIELD.test(fieldname)) images.push(decodeUtf8(bytes, `The field ${fieldname}`))
    else fields.push({ name: fieldname, value: decodeUtf8(bytes, `The field ${fieldname.slice(0, 100)}`) })
  }
  return problem ? { kind: 'refused', problem } : { kind: 'form', fields, images, mask }
}

/** `reference_images` itself is JSON text, and bounded as such. */
const namesImages = (name: string): boolean => IMAGE_FIELD.test(name) || name === 'mask' || name.startsWith('reference_images[')

/** The parser gives a part without a name all the same. */
function namelessness({ fieldname, filename }: NamedOrNot, number: number): OpenaiProblem | null {
  if (fieldname) return null
  const which = filename ? ` (the file ${filename.slice(0, 100)})` : ''
  return refusal('invalid_request', `Part ${number} of the form${which} has no name.`)
}

interface NamedOrNot {
  readonly fieldname?: string | undefined
  readonly filename?: string | undefined
}

function faultOf(part: MultipartFile, imagesBefore: number, fieldsBefore: number, hasMask: boolean): OpenaiProblem | null {
  const { fieldname: param } = part
  const refuse = (message: string, as?: string) => refusal('invalid_request', message, { param, ...(as ? { as } : {}) })
  if (param === 'mask' && hasMask) return refuse('Only one mask can be sent with a request.')
  if (param === 'mask') return null
  if (param === 'markup') return refuse(MARKUP, 'unsupported_parameter')
  if (!IMAGE_FIELD.test(param)) {
    if (fieldsBefore >= MOST_FORM_FIELDS) return refuse(`At most ${MOST_FORM_FIELDS} fields can be sent with a request.`)
    return isText(part) ? null : refuse(`Unknown parameter: '${param}'.`, 'unknown_parameter')
  }
  if (imagesBefore >= MAX_REFERENCE_IMAGES) return refuse(`At most ${MAX_REFERENCE_IMAGES} images can be sent with a request.`)
  return null
}

const notAnImage = (param: string): OpenaiProblem =>
  refusal('invalid_request', 'The file is not a PNG, JPEG or WebP image.', { param, as: 'invalid_image_file' })

/** Null where it is larger than `maxBytes`, or was cut off by the parser's own limit, which ends the stream as if it were whole. */
async function chunksOf(part: MultipartFile, maxBytes: number): Promise<readonly Buffer[] | null> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of part.file as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > maxBytes) chunks.length = 0
    else if (isText(part) || canBeImage(chunks)) chunks.push(chunk)
  }
  return part.file.truncated || length > maxBytes ? null : chunks
}

/** What is known to be no image by its first bytes is not kept. */
function canBeImage(chunks: readonly Buffer[]): boolean {
  const first = firstOf(chunks)
  return first.length < SIGNATURE_BYTES || formatOf(first) !== null
}

/** Enough to know a format. */
const firstOf = (chunks: readonly Buffer[]): Buffer => {
  const [first = Buffer.alloc(0)] = chunks
  return first.length >= SIGNATURE_BYTES ? first : Buffer.concat(chunks).subarray(0, SIGNATURE_BYTES)
}

async function drain(part: MultipartFile): Promise<void> {
  for await (const _ of part.file);
}
