import type { Json, JsonObject } from '#contract'
import { boolean, headerText, integer, nullable, number, oneOf, seed, string, webUrl } from './validators.ts'
import type { Check, Issue } from './validators.ts'

/** One of BFL's generation endpoints as its OpenAPI describes it (https://api.bfl.ai/openapi.json, read 2026-11-21). */
export interface Endpoint {
  readonly path: string
  /** Our model. */
  readonly model: string
  /** Fields by name, in the order of the schema. */
  readonly fields: Readonly<Record<string, Check>>
  /** Fields that the OpenAPI does not have and clients send: honoured where they are right, else ignored as any unknown field. */
  readonly extras?: Readonly<Record<string, Check>>
  /** What BFL uses where nothing is sent, or null is. */
  readonly defaults: Readonly<Record<string, Json>>
  readonly promptRequired: boolean
}

/** The slots of FLUX.2's reference images, in order. */
export const IMAGE_SLOTS = Array.from({ length: 8 }, (_, index) => (index === 0 ? 'input_image' : `input_image_${index + 1}`))

/** 0 is the schema's default and below its minimum: it stands for nothing sent. */
const side: Check = (value) => {
  const checked = nullable(integer())(value)
  return checked.kind === 'value' && checked.value === 0 ? { kind: 'value', value: null } : nullable(integer({ min: 64 }))(value)
}

const side11 = integer({ min: 256, max: 1440, step: 32 })
const slots: Readonly<Record<string, Check>> = Object.fromEntries(IMAGE_SLOTS.map((slot) => [slot, nullable(string)]))
const webhook = { webhook_url: nullable(webUrl), webhook_secret: nullable(headerText) } as const

/** What BFL's own SDK sends besides (https://github.com/black-forest-labs/blackforest, read 2026-11-21). */
const transparentBackground = { transparent_bg: boolean } as const

const flux2Pro: Endpoint = {
  path: 'flux-2-pro',
  model: 'flux-2-pro',
  fields: {
    prompt: string,
    ...slots,
    seed: nullable(seed),
    width: side,
    height: side,
    safety_tolerance: integer({ min: 0, max: 5 }),
    output_format: nullable(oneOf(['jpeg', 'png', 'webp'])),
    ...webhook,
  },
  // `prompt_upsampling` is a field of the other endpoints, and sent to this one too by clients that know one body for all.
  extras: { prompt_upsampling: boolean, disable_pup: boolean, ...transparentBackground },
  defaults: { prompt_upsampling: true, safety_tolerance: 2, output_format: 'jpeg' },
  promptRequired: true,
}

const flux2Flex: Endpoint = {
  path: 'flux-2-flex',
  model: 'flux-2-flex',
  fields: {
    prompt: string,
    prompt_upsampling: nullable(boolean),
    ...slots,
    input_image_blob_path: nullable(string),
    seed: nullable(seed),
    width: side,
    height: side,
    guidance: nullable(number({ min: 1.5, max: 10 })),
    steps: nullable(integer({ min: 1, max: 50 })),
    safety_tolerance: integer({ min: 0, max: 5 }),
    output_format: nullable(oneOf(['jpeg', 'png'])),
    ...webhook,
  },
  extras: transparentBackground,
  defaults: { prompt_upsampling: true, guidance: 5, steps: 50, safety_tolerance: 2, output_format: 'jpeg' },
  promptRequired: true,
}

const fluxPro11: Endpoint = {
  path: 'flux-pro-1.1',
  model: 'flux-1.1-pro',
  fields: {
    prompt: nullable(string),
    image_prompt: nullable(string),
    width: side11,
    height: side11,
    prompt_upsampling: boolean,
    seed: nullable(seed),
    safety_tolerance: integer({ min: 0, max: 6 }),
    output_format: nullable(oneOf(['jpeg', 'png'])),
    ...webhook,
  },
  defaults: { prompt: '', width: 1024, height: 768, prompt_upsampling: false, safety_tolerance: 2, output_format: 'jpeg' },
  promptRequired: false,
}

export const ENDPOINTS: ReadonlyMap<string, Endpoint> = new Map(
  [flux2Pro, flux2Flex, fluxPro11].map((endpoint) => [endpoint.path, endpoint]),
)

export type ReadBody =
  /** `values` are those given and not null, converted; `unknown` are fields the schema does not name, which BFL ignores. */
  | { readonly kind: 'valid'; readonly values: JsonObject; readonly unknown: JsonObject }
  | { readonly kind: 'invalid'; readonly issues: readonly Issue[] }

/** A body judged as FastAPI would; `undefined` is an empty one. */
export function readBody(endpoint: Endpoint, body: Json | undefined): ReadBody {
  const invalid = (...issues: readonly Issue[]): ReadBody => ({ kind: 'invalid', issues })
  if (body === undefined) return invalid({ loc: ['body'], msg: 'Field required', type: 'missing' })
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    const msg = 'Input should be a valid dictionary or object to extract fields from'
    return invalid({ loc: ['body'], msg, type: 'model_attributes_type' })
  }
  const given = new Map(Object.entries(body as JsonObject))
  const values: Record<string, Json> = {}
  const issues: Issue[] = []
  for (const [name, check] of Object.entries(endpoint.fields)) {
    const value = given.get(name)
    if (value === undefined) {
      if (name === 'prompt' && endpoint.promptRequired) issues.push({ loc: ['body', name], msg: 'Field required', type: 'missing' })
      continue
    }
    const checked = check(value)
    if (checked.kind === 'fault') issues.push({ loc: ['body', name], msg: checked.msg, type: checked.type })
    else if (checked.value !== null) values[name] = checked.value
  }
  if (issues.length > 0) return invalid(...issues)
  const unknown: Record<string, Json> = {}
  for (const [name, value] of given) {
    if (value === null || Object.hasOwn(endpoint.fields, name)) continue
    const extra = endpoint.extras && Object.hasOwn(endpoint.extras, name) ? endpoint.extras[name]?.(value) : undefined
    if (extra?.kind === 'value') values[name] = extra.value
    else unknown[name] = value
  }
  return { kind: 'valid', values, unknown }
}
