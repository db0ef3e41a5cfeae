import { check, isFields, LARGEST_SEED, sentenceOf, type Check, type Fields } from '#sandbox'

/** An entry of `errors[]` as the wire has it. `parameter` is a list where a rule is about several fields. */
export interface WireError {
  readonly code: string
  readonly message: string
  readonly parameter?: string | readonly string[]
}

const { text, whole, number, flag, oneOf, form, list, fields, isHttpUrl } = check
const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i
export const isUuidV4 = (value: unknown): value is string => typeof value === 'string' && UUID_V4.test(value)

const link = form('a URI', isHttpUrl)
const references = (max: number): Check => fields({ referenceImages: list(text(1), max) })
const REQUIRED = ['taskUUID', 'model', 'positivePrompt', 'width', 'height'] as const

const COMMON: Readonly<Record<string, Check>> = {
  taskType: oneOf('imageInference'),
  taskUUID: form('a UUID v4', isUuidV4),
  model: text(1, 200),
  outputType: oneOf('URL', 'base64Data', 'dataURI'),
  outputFormat: oneOf('JPG', 'PNG', 'WEBP'),
  outputQuality: whole({ min: 20, max: 99 }),
  webhookURL: link,
  deliveryMethod: oneOf('sync', 'async'),
  uploadEndpoint: link,
  safety: fields({ checkContent: flag, mode: oneOf('none', 'fast') }),
  ttl: whole({ min: 60 }),
  includeCost: flag,
  numberResults: whole({ min: 1, max: 20 }),
  // The page prints 9223372036854776000, which is 2^63 - 1 after a double has rounded it.
  seed: whole({ min: 0, max: LARGEST_SEED }),
  providerSettings: fields({ bfl: fields({ promptUpsampling: flag, safetyTolerance: whole({ min: 0, max: 6 }) }) }),
}

const side = whole({ min: 256, max: 2048, step: 16 })
const side11 = whole({ min: 256, max: 1440 })

/**
 * Parameters by model id, from the vendor's pages and not from the manifest, so that a slip in one shows. bfl:5@1 as
 * https://runware.ai/docs/models/bfl-flux-2-pro prints them (2026-11-21); it states no maximum of references: 8, which the model's maker
 * takes, is what works everywhere (digests of older pages say 9). What is particular to the other two comes from third-party digests.
 */
const MODELS: Readonly<Record<string, Check>> = {
  'bfl:5@1': fields({ ...COMMON, positivePrompt: text(1, 32_000), width: side, height: side, inputs: references(8) }),
  'bfl:6@1': fields({
    ...COMMON,
    positivePrompt: text(1, 32_000),
    width: side,
    height: side,
    inputs: references(10),
    CFGScale: number({ min: 1.5, max: 10 }),
    steps: whole({ min: 1, max: 50 }),
  }),
  'bfl:2@1': fields({ ...COMMON, positivePrompt: text(2, 3000), width: side11, height: side11 }),
}

const capitalized = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1)

/** Everything wrong with an imageInference task; empty where it is acceptable. */
export function faultsOf(task: Fields): readonly WireError[] {
  const { model } = task
  const judge = typeof model === 'string' && Object.hasOwn(MODELS, model) ? MODELS[model] : undefined
  if (model !== undefined && judge === undefined)
    return [{ code: 'invalidModel', message: 'Invalid value for model: no such model.', parameter: 'model' }]
  if ((task['width'] === undefined) !== (task['height'] === undefined))
    return [{ code: 'incompatibleParameters', message: 'width and height must be used together.', parameter: ['width', 'height'] }]
  const missing = REQUIRED.filter((name) => task[name] === undefined).map((name) => ({
    code: `missing${capitalized(name)}`,
    message: `Missing required parameter: ${name}.`,
    parameter: name,
  }))
  if (missing.length > 0 || judge === undefined) return missing
  return judge(task).map(({ path: [name = '', ...rest], fault }) => {
    if (fault.kind === 'unknown' && rest.length === 0)
      return { code: 'unknownParameter', message: `Unknown parameter: ${name}.`, parameter: name }
    const where = rest.length > 0 ? `${rest.join('.')} ` : ''
    return { code: `invalid${capitalized(name)}`, message: `Invalid value for ${name}: ${where}${sentenceOf(fault)}.`, parameter: name }
  })
}

/** The reference images of a task that `faultsOf` accepts. */
export const referencesOf = ({ inputs }: Fields): readonly string[] =>
  isFields(inputs) && Array.isArray(inputs['referenceImages']) ? (inputs['referenceImages'] as readonly string[]) : []
