import { MAX_PIXELS } from './emulator-endpoints.ts'
import type { Endpoint } from './emulator-endpoints.ts'

/** One entry of FastAPI's 422 `detail`. */
export interface Issue {
  readonly loc: readonly (string | number)[]
  readonly msg: string
  readonly type: string
}

type Check = (value: unknown) => Pick<Issue, 'msg' | 'type'> | null

const issue = (msg: string, type: string) => ({ msg, type })
const nullable =
  (check: Check): Check =>
  (value) =>
    value === null ? null : check(value)

const string =
  (minLength = 0, maxLength = Number.POSITIVE_INFINITY): Check =>
  (value) => {
    if (typeof value !== 'string') return issue('Input should be a valid string', 'string_type')
    if (value.length < minLength) return issue(`String should have at least ${minLength} character`, 'string_too_short')
    return value.length > maxLength ? issue(`String should have at most ${maxLength} characters`, 'string_too_long') : null
  }

const boolean: Check = (value) => (typeof value === 'boolean' ? null : issue('Input should be a valid boolean', 'bool_type'))

const number =
  ({ min, max, step, whole }: { min?: number; max?: number; step?: number; whole: boolean }): Check =>
  (value) => {
    const kind = whole ? 'integer' : 'number'
    if (typeof value !== 'number') return issue(`Input should be a valid ${kind}`, whole ? 'int_type' : 'float_type')
    if (whole && !Number.isInteger(value)) {
      return issue('Input should be a valid integer, got a number with a fractional part', 'int_from_float')
    }
    if (min !== undefined && value < min) return issue(`Input should be greater than or equal to ${min}`, 'greater_than_equal')
    if (max !== undefined && value > max) return issue(`Input should be less than or equal to ${max}`, 'less_than_equal')
    return step !== undefined && value % step !== 0 ? issue(`Input should be a multiple of ${step}`, 'multiple_of') : null
  }

const oneOf =
  (values: readonly string[]): Check =>
  (value) => {
    const shown = values.map((each) => `'${each}'`)
    return typeof value === 'string' && values.includes(value)
      ? null
      : issue(`Input should be ${shown.slice(0, -1).join(', ')} or ${shown.at(-1)}`, 'enum')
  }

/** Every field of `Flux2Inputs`, `Flux2FlexInputs` or `FluxPro11Inputs`, as the OpenAPI of 2026-11-21 and the official SDK have them. */
function fieldsOf(endpoint: Endpoint): Readonly<Record<string, Check>> {
  const side = number({ whole: true, min: 64 })
  const side11 = number({ whole: true, min: 256, max: 1440, step: 32 })
  const slots = Array.from({ length: 8 }, (_, index) => [index === 0 ? 'input_image' : `input_image_${index + 1}`, nullable(string())])
  return {
    prompt: endpoint.promptRequired ? string() : nullable(string()),
    seed: nullable(number({ whole: true })),
    safety_tolerance: number({ whole: true, min: 0, max: endpoint.maxSafety }),
    output_format: nullable(oneOf(endpoint.formats)),
    webhook_url: nullable(string(1, 2083)),
    webhook_secret: nullable(string()),
    ...(endpoint.family === 'flux-2'
      ? { width: nullable(side), height: nullable(side), transparent_bg: boolean, ...Object.fromEntries(slots) }
      : { width: side11, height: side11, image_prompt: nullable(string()), prompt_upsampling: boolean }),
    ...(endpoint.isFlex
      ? {
          prompt_upsampling: nullable(boolean),
          guidance: nullable(number({ whole: false, min: 1.5, max: 10 })),
          steps: nullable(number({ whole: true, min: 1, max: 50 })),
          input_image_blob_path: nullable(string()),
        }
      : {}),
    ...(endpoint.family === 'flux-2' && !endpoint.isFlex ? { disable_pup: boolean } : {}),
  }
}

/** The `detail` of a 422, empty where the body is accepted. Fields the schema does not name are ignored, as FastAPI does. */
export function validate(endpoint: Endpoint, body: Readonly<Record<string, unknown>>): readonly Issue[] {
  const issues: Issue[] = []
  for (const [name, check] of Object.entries(fieldsOf(endpoint))) {
    const value = body[name]
    if (value === undefined) continue
    const found = check(value)
    if (found) issues.push({ loc: ['body', name], ...found })
  }
  if (endpoint.promptRequired && body['prompt'] === undefined)
    issues.push({ loc: ['body', 'prompt'], msg: 'Field required', type: 'missing' })
  return issues.length > 0 ? issues : checkTogether(body)
}

/** Rules over several fields that BFL's own SDK checks before it sends (src/bfl/_models.py, 2026-11-21). */
function checkTogether({
  width,
  height,
  transparent_bg: transparent,
  output_format: format,
}: Readonly<Record<string, unknown>>): readonly Issue[] {
  if (typeof width === 'number' && typeof height === 'number' && width * height > MAX_PIXELS) {
    return [
      { loc: ['body'], msg: `Value error, width*height (${width * height}) exceeds the 4MP limit (${MAX_PIXELS})`, type: 'value_error' },
    ]
  }
  if (transparent === true && format !== 'png' && format !== 'webp') {
    return [{ loc: ['body'], msg: "Value error, transparent_bg requires output_format 'png' or 'webp'", type: 'value_error' }]
  }
  return []
}
