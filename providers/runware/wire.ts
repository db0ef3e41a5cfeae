import { z } from 'zod'
import { withoutSecrets } from '#adapter-kit'
import { isObject } from '#contract'
import type { Json, JsonObject } from '#contract'

/**
 * What Runware takes beyond the normalized request, under its own names.
 * Source: https://runware.ai/docs/models/bfl-flux-2-pro, read 2026-11-21.
 */
export const RunwareOptions = z.strictObject({
  deliveryMethod: z
    .enum(['sync', 'async'])
    .optional()
    .meta({ description: '`sync` (default): the reply holds the result. `async`: the reply acknowledges and the result is polled.' }),
  ttl: z.number().int().min(60).optional().meta({ description: 'Seconds the delivered link lives.' }),
  safety: z
    .strictObject({ checkContent: z.boolean().optional(), mode: z.enum(['none', 'fast']).optional() })
    .optional()
    .meta({ description: 'Runware’s own content check, beside the model’s; off by default.' }),
})
export type RunwareOptions = z.infer<typeof RunwareOptions>

const text = z.string().optional().catch(undefined)
/** The vendor's words, which are shown to callers. */
const words = z.string().transform(withoutSecrets)
const saying = words.optional().catch(undefined)
const parameter = z
  .union([words, z.array(words)])
  .optional()
  .catch(undefined)

/** An entry of `errors[]`. `parameter` is an array for rules over several fields. Source: https://runware.ai/docs/platform/errors, 2026-11-21. */
export const VendorError = z.object({
  code: saying,
  message: saying,
  parameter,
  taskUUID: text,
})
/** Our findings, never read from a reply: `isResult`, it is the end of one result and no refusal of the call; `isWithoutImage`, a success without an image. */
export type VendorError = z.infer<typeof VendorError> & { readonly isResult?: true; readonly isWithoutImage?: string }

/** An entry of `data[]`: an image, or how far one is. `status` and `progress` come from getResponse only. */
export type Item = Readonly<z.infer<typeof VendorError>> & {
  readonly imageUUID?: string | undefined
  readonly imageURL?: string | undefined
  readonly imageBase64Data?: string | undefined
  readonly imageDataURI?: string | undefined
  /** A number as digits that a double holds, or as the string of digits that it does not. */
  readonly seed?: number | string | undefined
  readonly NSFWContent?: boolean | undefined
  readonly cost?: number | string | undefined
  readonly status?: string | undefined
  readonly progress?: number | undefined
}

const textIn = (value: Json | undefined): string | undefined => (typeof value === 'string' ? value : undefined)
const wordsIn = (value: Json | undefined): string | undefined => (typeof value === 'string' ? withoutSecrets(value) : undefined)
const numberIn = (value: Json | undefined): number | undefined => (Number.isFinite(value) ? (value as number) : undefined)

/** Read by hand, since every good reply has one: 0.3 µs instead of the 2 of a schema, and 5 in a gateway that has other things to do between. */
export const itemOf = (entry: JsonObject): Item => ({
  taskUUID: textIn(entry['taskUUID']),
  imageUUID: textIn(entry['imageUUID']),
  imageURL: textIn(entry['imageURL']),
  imageBase64Data: textIn(entry['imageBase64Data']),
  imageDataURI: textIn(entry['imageDataURI']),
  seed: numberIn(entry['seed']) ?? textIn(entry['seed']),
  NSFWContent: typeof entry['NSFWContent'] === 'boolean' ? entry['NSFWContent'] : undefined,
  cost: numberIn(entry['cost']) ?? textIn(entry['cost']),
  status: wordsIn(entry['status']),
  progress: numberIn(entry['progress']),
  code: wordsIn(entry['code']),
  message: wordsIn(entry['message']),
  parameter: entry['parameter'] === undefined ? undefined : parameter.parse(entry['parameter']),
})

/** What a call remembers until its reply; `items` are the images that earlier replies delivered. */
export interface Memo {
  readonly numberResults: number
  readonly items: readonly Item[]
}

export function memoOf(memo: Json | undefined): Memo {
  const { numberResults = 1, items = [] } = isObject(memo) ? memo : {}
  const isCount = Number.isSafeInteger(numberResults) && (numberResults as number) >= 1
  return { numberResults: isCount ? (numberResults as number) : 1, items: Array.isArray(items) ? items.filter(isObject).map(itemOf) : [] }
}

/** Statuses of a result. `pending` stands for `processing` in an older copy of https://runware.ai/docs/utilities/task-responses. */
export const STATUS = { processing: 'open', pending: 'open', success: 'done', error: 'failed' } as const

export type Bucket =
  | 'quota'
  | 'rateLimit'
  | 'safety'
  | 'auth'
  | 'timeout'
  | 'notFound'
  | 'taskConflict'
  | 'server'
  | 'unavailable'
  | 'provider'
  | 'validation'
  | 'unknown'

/**
 * Error codes by meaning, first match wins; the order is the official SDK's, so that `authTimeout` is about the key.
 * Codes are "being standardised" and vary by model, hence patterns. Source: https://github.com/Runware/runware-typescript
 * (src/errors.ts) and https://runware.ai/docs/platform/errors, 2026-11-21. Three rows are split off for what they say about
 * money: `taskConflict` (our task id is taken, so an earlier copy of the submit arrived), `unavailable` (nothing ran) and
 * `server` (trouble of the service, which says nothing of the task).
 */
const BUCKETS: readonly (readonly [Bucket, RegExp])[] = [
  ['quota', /credits|quota|balance(?!r)|^paymentrequired$/],
  ['rateLimit', /ratelimit/],
  ['safety', /contentpolicyviolation|^(sensitive|unsafe|nsfw)contentdetected$|^(prompt|image)blocked$|^moderationfailed$/],
  [
    'auth',
    /apikey|^(unauthorized|forbidden|permissiondenied|insufficientpermissions)$|^auth(enticationfailed|failed|timeout)$|^invalid(authentication|credentials)$|^missingauthentication$|^token|^(account|organization|workspace)(suspended|disabled)$/,
  ],
  ['timeout', /timeout/],
  ['notFound', /notfound$|expired$|^unknownmodel$/],
  ['taskConflict', /^(conflict|duplicate)taskuuid$/],
  [
    'server',
    /^(internalservererror|serviceunavailable|serverunavailable|standarderror|unknownerror|undefinederror|defaulterror|unrecognizedresponse)$/,
  ],
  ['unavailable', /^noavailableserver$|^model(unavailable|disabled|notready)$/],
  ['provider', /^provider|^inferenceerror$|^processingfailed$|^taskfailed$|^(down|up)loadfailed$|^mediastoragefilecouldnotbemoved$/],
  [
    'validation',
    /^(invalid|missing|conflict|duplicate|unsupported|value|array|max)|^(unknownparameter|incompatibleparameters|mismatchprovidersettingsprovider|unknownprovidersettingsprovider|validationfailed)$/,
  ],
]

/** What a documented code means, whatever its case; `unknown` for any other. */
export function bucketOf(code: string | undefined): Bucket {
  const name = code?.toLowerCase() ?? ''
  return BUCKETS.find(([, pattern]) => pattern.test(name))?.[0] ?? 'unknown'
}
