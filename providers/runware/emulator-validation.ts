/** An entry of `errors[]` as the wire has it. `parameter` is an array where a rule is about several fields. */
export interface WireError {
  readonly code: string
  readonly message: string
  readonly parameter?: string | readonly string[]
}

export type Fields = Readonly<Record<string, unknown>>

export const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value)

const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i
export const isUuidV4 = (value: unknown): value is string => typeof value === 'string' && UUID_V4.test(value)

type Check = (value: unknown) => string | null

const whole =
  (min: number, max: number, step = 1): Check =>
  (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max && value % step === 0
      ? null
      : `must be an integer between ${min} and ${max}${step > 1 ? `, multiple of ${step}` : ''}`
const number =
  (min: number, max: number): Check =>
  (value) =>
    typeof value === 'number' && value >= min && value <= max ? null : `must be a number between ${min} and ${max}`
const oneOf =
  (...values: readonly string[]): Check =>
  (value) =>
    typeof value === 'string' && values.includes(value) ? null : `must be one of ${values.join(', ')}`
const flag: Check = (value) => (typeof value === 'boolean' ? null : 'must be a boolean')
const text =
  (min: number, max: number): Check =>
  (value) =>
    typeof value === 'string' && value.length >= min && value.length <= max ? null : `must be a string of ${min} to ${max} characters`
const link: Check = (value) => (typeof value === 'string' && URL.canParse(value) ? null : 'must be a URI')
const images =
  (max: number): Check =>
  (value) =>
    Array.isArray(value) && value.length <= max && value.every((entry) => typeof entry === 'string' && entry.length > 0)
      ? null
      : `must be an array of up to ${max} strings`
/** An object whose every key is known. */
const nested =
  (checks: Readonly<Record<string, Check>>): Check =>
  (value) => {
    if (!isFields(value)) return 'must be an object'
    for (const [name, entry] of Object.entries(value)) {
      const problem = Object.hasOwn(checks, name) ? checks[name]?.(entry) : 'is not a known parameter'
      if (problem) return `${name} ${problem}`
    }
    return null
  }

const COMMON: Readonly<Record<string, Check>> = {
  taskType: oneOf('imageInference'),
  taskUUID: (value) => (isUuidV4(value) ? null : 'must be a UUID v4'),
  model: text(1, 200),
  outputType: oneOf('URL', 'base64Data', 'dataURI'),
  outputFormat: oneOf('JPG', 'PNG', 'WEBP'),
  outputQuality: whole(20, 99),
  webhookURL: link,
  deliveryMethod: oneOf('sync', 'async'),
  uploadEndpoint: link,
  safety: nested({ checkContent: flag, mode: oneOf('none', 'fast') }),
  ttl: whole(60, Number.MAX_SAFE_INTEGER),
  includeCost: flag,
  numberResults: whole(1, 20),
  seed: whole(0, 2 ** 63),
  providerSettings: nested({ bfl: nested({ promptUpsampling: flag, safetyTolerance: whole(0, 6) }) }),
}

/**
 * Parameters by model id. bfl:5@1 as https://runware.ai/docs/models/bfl-flux-2-pro prints them (2026-11-21), with the 9 reference
 * images of older pages; what is particular to the other two comes from third-party digests.
 */
const MODELS: Readonly<Record<string, Readonly<Record<string, Check>>>> = {
  'bfl:5@1': {
    ...COMMON,
    positivePrompt: text(1, 32_000),
    width: whole(256, 2048, 16),
    height: whole(256, 2048, 16),
    inputs: nested({ referenceImages: images(9) }),
  },
  'bfl:6@1': {
    ...COMMON,
    positivePrompt: text(1, 32_000),
    width: whole(256, 2048, 16),
    height: whole(256, 2048, 16),
    inputs: nested({ referenceImages: images(10) }),
    CFGScale: number(1.5, 10),
    steps: whole(1, 50),
  },
  'bfl:2@1': { ...COMMON, positivePrompt: text(2, 3000), width: whole(256, 1440), height: whole(256, 1440) },
}

const REQUIRED = ['taskUUID', 'model', 'positivePrompt', 'width', 'height'] as const

const capitalized = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1)

/** Everything wrong with an imageInference task; empty where it is acceptable. */
export function validate(task: Fields): readonly WireError[] {
  const model = task['model']
  const checks = typeof model === 'string' && Object.hasOwn(MODELS, model) ? MODELS[model] : undefined
  if (model !== undefined && checks === undefined) {
    return [{ code: 'invalidModel', message: 'Invalid value for model: no such model.', parameter: 'model' }]
  }
  if ((task['width'] === undefined) !== (task['height'] === undefined)) {
    return [{ code: 'incompatibleParameters', message: 'width and height must be used together.', parameter: ['width', 'height'] }]
  }
  const missing = REQUIRED.filter((name) => task[name] === undefined).map((name) => ({
    code: `missing${capitalized(name)}`,
    message: `Missing required parameter: ${name}.`,
    parameter: name,
  }))
  if (missing.length > 0 || checks === undefined) return missing
  return Object.entries(task).flatMap(([name, value]): readonly WireError[] => {
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined
    if (!check) return [{ code: 'unknownParameter', message: `Unknown parameter: ${name}.`, parameter: name }]
    const problem = check(value)
    return problem ? [{ code: `invalid${capitalized(name)}`, message: `Invalid value for ${name}: ${problem}.`, parameter: name }] : []
  })
}
