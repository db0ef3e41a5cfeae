import { z } from 'zod'
import { withoutSecrets } from '#adapter-kit'

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

/** A number as digits that a double holds, or as the string of digits that it does not. */
const decimal = z.union([z.number(), z.string()]).optional().catch(undefined)

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
export const Item = z.object({
  taskUUID: text,
  imageUUID: text,
  imageURL: text,
  imageBase64Data: text,
  imageDataURI: text,
  seed: decimal,
  NSFWContent: z.boolean().optional().catch(undefined),
  cost: decimal,
  status: saying,
  progress: z.number().optional().catch(undefined),
  code: saying,
  message: saying,
  parameter,
})
export type Item = z.infer<typeof Item>

/** What a call remembers until its reply; `items` are the images that earlier replies delivered. */
export const Memo = z
  .object({
    numberResults: z.number().int().min(1).default(1).catch(1),
    items: z.array(Item).default([]).catch([]),
  })
  .catch({ numberResults: 1, items: [] })
export type Memo = z.infer<typeof Memo>

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
