import { isObject, MAX_REFERENCE_IMAGES, parseUrl } from '#contract'
import type { Json, JsonObject, Limits, Range } from '#contract'
import { invalid, missing } from './task-error.ts'
import type { TaskError } from './task-error.ts'
import { hasBlankOrControl } from '../blank-or-control.ts'

/** What is wrong with a value, or with what stands below it at `path`; null where nothing is. */
type Check = (value: Json) => string | { readonly path: string; readonly problem: string } | null

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i
export const isUuid = (value: unknown): value is string => typeof value === 'string' && UUID.test(value)

const within =
  ({ min, max, step }: Pick<Range, 'min' | 'max' | 'step'>, whole = true): Check =>
  (value) => {
    const isLegal =
      typeof value === 'number' &&
      (!whole || Number.isInteger(value)) &&
      value >= min &&
      value <= max &&
      (step === undefined || !whole || value % step === 0)
    const multiple = step !== undefined && step > 1 ? ` and a multiple of ${step}` : ''
    return isLegal ? null : `it must be ${whole ? 'an integer' : 'a number'} between ${min} and ${max}${multiple}`
  }
const flag: Check = (value) => (typeof value === 'boolean' ? null : 'it must be a boolean')
const oneOf =
  (...values: readonly string[]): Check =>
  (value) =>
    typeof value === 'string' && values.includes(value) ? null : `it must be one of ${values.join(', ')}`
const text =
  (max: number): Check =>
  (value) =>
    typeof value === 'string' && value.length > 0 && value.length <= 2 * max && Array.from(value).length <= max
      ? null
      : `it must be a string of 1 to ${max} characters`
const MAX_LINK_CHARS = 2_048
const link: Check = (value) =>
  typeof value === 'string' &&
  value.length <= MAX_LINK_CHARS &&
  !hasBlankOrControl(value) &&
  /^https?:$/.test(parseUrl(value)?.protocol ?? '')
    ? null
    : `it must be an http(s) URL of at most ${MAX_LINK_CHARS} characters without white space`
const ARRAY_OF_STRINGS = 'it must be an array of strings'
const texts =
  (max: number): Check =>
  (value) => {
    if (!Array.isArray(value)) return ARRAY_OF_STRINGS
    if (value.length > max) return `it must have at most ${max} entries`
    return value.every((entry) => typeof entry === 'string' && entry !== '') ? null : ARRAY_OF_STRINGS
  }

const OUTPUT_TYPES = ['URL', 'base64Data', 'dataURI'] as const
export type OutputType = (typeof OUTPUT_TYPES)[number]

/** A string, or, as older pages have it, an array of them. */
const outputType: Check = (value) => {
  const list: readonly Json[] = Array.isArray(value) ? value : [value]
  if (list.length > OUTPUT_TYPES.length) return `it must have at most ${OUTPUT_TYPES.length} entries`
  const isLegal = list.length > 0 && list.every((entry) => OUTPUT_TYPES.some((type) => type === entry))
  return isLegal ? null : `it must be one of ${OUTPUT_TYPES.join(', ')}, or an array of them`
}

const UNKNOWN = 'it is not a known parameter'
const unknownParameter = (parameter: string): TaskError => ({
  code: 'unknownParameter',
  message: `Unknown parameter for this model: ${parameter}.`,
  parameter,
})

/** An object of which every key is known. */
const nested =
  (checks: Readonly<Record<string, Check>>): Check =>
  (value) => {
    if (!isObject(value)) return 'it must be an object'
    for (const [name, entry] of Object.entries(value)) {
      const check = Object.hasOwn(checks, name) ? checks[name] : undefined
      const problem = check ? check(entry) : UNKNOWN
      const shown = name.slice(0, MAX_NAME_CHARS)
      if (typeof problem === 'string') return { path: shown, problem }
      if (problem) return { path: `${shown}.${problem.path}`, problem: problem.problem }
    }
    return null
  }

const MAX_PROMPT_CHARS = 32_000
const MAX_NAME_CHARS = 100
const MAX_RESULTS = 20
const MAX_SEED = 9_223_372_036_854_775_807n

/** An integer that a double cannot hold to the last digit arrives as its digits. */
const seed: Check = (value) => {
  const isWhole = typeof value === 'number' ? Number.isSafeInteger(value) : typeof value === 'string' && /^\d{1,19}$/.test(value)
  const isLegal = isWhole && BigInt(value as number | string) >= 0n && BigInt(value as number | string) <= MAX_SEED
  return isLegal ? null : `it must be an integer between 0 and ${MAX_SEED}`
}
const SAFETY: Range = { type: 'range', min: 0, max: 6 }
const QUALITY: Range = { type: 'range', min: 20, max: 99 }
const SIDE: Range = { type: 'range', min: 1, max: 65_536 }
const TTL: Range = { type: 'range', min: 60, max: Number.MAX_SAFE_INTEGER }

/**
 * Parameters of an imageInference task, as https://runware.ai/docs/models/bfl-flux-2-pro has them (read 2026-11-21), with the older top-level
 * `referenceImages` and `checkNSFW` that the SDK still has.
 * @param limits what Runware takes for the model, where it sells it
 */
function checksFor(limits: Limits | null): Readonly<Record<string, Check>> {
  const size = limits?.size.kind === 'range' ? limits.size : null
  const references = texts(limits?.reference_images.max ?? MAX_REFERENCE_IMAGES)
  return {
    taskType: () => null,
    taskUUID: () => null,
    model: () => null,
    outputType,
    outputFormat: oneOf('JPG', 'PNG', 'WEBP'),
    outputQuality: within(limits?.output_quality ?? QUALITY),
    webhookURL: link,
    uploadEndpoint: link,
    deliveryMethod: oneOf('sync', 'async'),
    safety: nested({ checkContent: flag, mode: oneOf('none', 'fast') }),
    checkNSFW: flag,
    ttl: within(TTL),
    includeCost: flag,
    numberResults: within({ min: 1, max: MAX_RESULTS }),
    inputs: nested({ referenceImages: references }),
    referenceImages: references,
    positivePrompt: text(MAX_PROMPT_CHARS),
    width: within(size?.width ?? SIDE),
    height: within(size?.height ?? SIDE),
    seed,
    ...(limits?.guidance === null ? {} : { CFGScale: within(limits?.guidance ?? { min: 1.5, max: 10 }, false) }),
    ...(limits?.steps === null ? {} : { steps: within(limits?.steps ?? { min: 1, max: 50 }) }),
    providerSettings: nested({ bfl: nested({ promptUpsampling: flag, safetyTolerance: within(limits?.safety_tolerance ?? SAFETY) }) }),
  }
}

const REQUIRED = ['positivePrompt', 'width', 'height'] as const

/** Everything that is wrong with an imageInference task whose taskUUID and model are known; empty where it is acceptable. */
export function problemsOf(task: JsonObject, limits: Limits | null): readonly TaskError[] {
  if ((task['width'] === undefined) !== (task['height'] === undefined)) {
    return [{ code: 'incompatibleParameters', message: 'width and height must be used together.', parameter: ['width', 'height'] }]
  }
  const absent = REQUIRED.filter((name) => task[name] === undefined).map(missing)
  if (absent.length > 0) return absent
  const checks = checksFor(limits)
  return Object.entries(task).flatMap(([name, value]): readonly TaskError[] => {
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined
    const shown = name.slice(0, MAX_NAME_CHARS)
    if (!check) return [unknownParameter(shown)]
    const problem = check(value)
    if (problem === null) return []
    if (typeof problem === 'string') return [invalid(name, problem)]
    const path = `${name}.${problem.path}`
    return [problem.problem === UNKNOWN ? unknownParameter(path) : invalid(path, problem.problem)]
  })
}
