import type { Json, JsonObject } from '#contract'
import type { Endpoint } from './endpoint.ts'
import { FLUX_1 } from './flux-1.ts'
import { FLUX_2 } from './flux-2.ts'
import { FLUX_3 } from './flux-3.ts'
import type { Issue } from './validators.ts'

/** By the last part of their path. */
export const ENDPOINTS: ReadonlyMap<string, Endpoint> = new Map([...FLUX_2, ...FLUX_1, FLUX_3].map((endpoint) => [endpoint.path, endpoint]))

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
