import type { Usd } from '#contract'
import { check, isFields, type Check, type Fault, type Fields, type ImageFormat, type MegapixelPrice } from '#sandbox'

/** What the emulator knows of one endpoint, from BFL's OpenAPI (read 2026-11-21) and apart from the manifest, so that a slip in one shows. */
export interface Endpoint {
  readonly family: 'flux-2' | 'flux-1.1'
  readonly isFlex: boolean
  readonly upsamplesByDefault: boolean
  readonly formats: readonly ImageFormat[]
  /** Dollars. */
  readonly price: MegapixelPrice | { readonly flat: Usd }
  /** Fields of the endpoint's schema. Those it does not name are ignored, as FastAPI does. */
  readonly schema: Check
}

const { nullable, text, whole, number, flag, oneOf, form, isHttpUrl } = check
const slots = Object.fromEntries(
  Array.from({ length: 8 }, (_, index) => [index === 0 ? 'input_image' : `input_image_${index + 1}`, nullable(text())]),
)
const url: Check = (value) =>
  typeof value === 'string' && (value === '' || value.length > 2083) ? text(1, 2083)(value) : form('a valid URL', isHttpUrl)(value)

const common = (formats: readonly ImageFormat[], maxSafety: number): Readonly<Record<string, Check>> => ({
  seed: nullable(whole()),
  safety_tolerance: whole({ min: 0, max: maxSafety }),
  output_format: nullable(oneOf(...formats)),
  webhook_url: nullable(url),
  webhook_secret: nullable(text()),
})
const side = nullable(whole({ min: 64 }))
const side11 = whole({ min: 256, max: 1440, step: 32 })
const flux2 = (formats: readonly ImageFormat[], own: Readonly<Record<string, Check>>): Check =>
  check.fields(
    { prompt: text(), width: side, height: side, transparent_bg: flag, ...slots, ...common(formats, 5), ...own },
    { required: ['prompt'], isOpen: true },
  )

const PRO: readonly ImageFormat[] = ['jpeg', 'png', 'webp']
const OTHERS: readonly ImageFormat[] = ['jpeg', 'png']
const flex = {
  prompt_upsampling: nullable(flag),
  guidance: nullable(number({ min: 1.5, max: 10 })),
  steps: nullable(whole({ min: 1, max: 50 })),
  input_image_blob_path: nullable(text()),
}

export const ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'flux-2-pro': {
    family: 'flux-2',
    isFlex: false,
    upsamplesByDefault: true,
    formats: PRO,
    price: { first: '0.03', extra: '0.015', reference: '0.015' },
    schema: flux2(PRO, { disable_pup: flag }),
  },
  'flux-2-flex': {
    family: 'flux-2',
    isFlex: true,
    upsamplesByDefault: true,
    formats: OTHERS,
    price: { first: '0.05', extra: '0.05', reference: '0.05' },
    schema: flux2(OTHERS, flex),
  },
  'flux-pro-1.1': {
    family: 'flux-1.1',
    isFlex: false,
    upsamplesByDefault: false,
    formats: OTHERS,
    price: { flat: '0.04' },
    schema: check.fields(
      {
        prompt: nullable(text()),
        image_prompt: nullable(text()),
        width: side11,
        height: side11,
        prompt_upsampling: flag,
        ...common(OTHERS, 6),
      },
      { isOpen: true },
    ),
  },
}

/** One entry of FastAPI's 422 `detail`. */
interface Issue {
  readonly loc: readonly (string | number)[]
  readonly msg: string
  readonly type: string
}

export const MAX_PIXELS = 2048 * 2048

/** The `detail` of a 422, empty where the body is accepted. */
export function issuesOf({ schema }: Endpoint, body: unknown): readonly Issue[] {
  const issues = schema(body).map(({ path, fault }) => ({ loc: ['body', ...path], ...pydantic(fault) }))
  return issues.length > 0 || !isFields(body) ? issues : checkTogether(body)
}

/** Rules over several fields that BFL's own SDK checks before it sends (src/bfl/_models.py, 2026-11-21). */
function checkTogether({ width, height, transparent_bg: transparent, output_format: format }: Fields): readonly Issue[] {
  const whole = (msg: string): readonly Issue[] => [{ loc: ['body'], msg: `Value error, ${msg}`, type: 'value_error' }]
  if (typeof width === 'number' && typeof height === 'number' && width * height > MAX_PIXELS)
    return whole(`width*height (${width * height}) exceeds the 4MP limit (${MAX_PIXELS})`)
  return transparent === true && format !== 'png' && format !== 'webp' ? whole("transparent_bg requires output_format 'png' or 'webp'") : []
}

const TYPES = { string: 'string', boolean: 'bool', integer: 'int', number: 'float', list: 'list', object: 'model_attributes' } as const
const NAMES = { ...TYPES, boolean: 'boolean', integer: 'integer', number: 'number', object: 'dictionary' } as const

/** A fault in the words of pydantic 2, which FastAPI passes on. */
function pydantic(fault: Fault): Pick<Issue, 'msg' | 'type'> {
  switch (fault.kind) {
    case 'missing':
      return { msg: 'Field required', type: 'missing' }
    case 'type':
      if (fault.isFraction) return { msg: 'Input should be a valid integer, got a number with a fractional part', type: 'int_from_float' }
      return { msg: `Input should be a valid ${NAMES[fault.expected]}`, type: `${TYPES[fault.expected]}_type` }
    case 'least':
      return { msg: `Input should be greater than or equal to ${fault.bound}`, type: 'greater_than_equal' }
    case 'most':
      return { msg: `Input should be less than or equal to ${fault.bound}`, type: 'less_than_equal' }
    case 'step':
      return { msg: `Input should be a multiple of ${fault.bound}`, type: 'multiple_of' }
    case 'shortest':
      return { msg: `String should have at least ${fault.bound} character`, type: 'string_too_short' }
    case 'longest':
      return { msg: `String should have at most ${fault.bound} characters`, type: 'string_too_long' }
    case 'choice': {
      const shown = fault.values.map((each) => `'${each}'`)
      return { msg: `Input should be ${shown.slice(0, -1).join(', ')} or ${shown.at(-1)}`, type: 'enum' }
    }
    case 'form':
      return { msg: 'Input should be a valid URL, relative URL without a base', type: 'url_parsing' }
    case 'unknown':
      return { msg: 'Extra inputs are not permitted', type: 'extra_forbidden' }
  }
}
