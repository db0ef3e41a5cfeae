import { z } from 'zod'

/** Plain JSON: what a call says, what a reply said, what a memo remembers. Survives a restart unchanged. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/**
 * A JSON number of exactly these digits, for `JSON.stringify`: a double may not hold them, or would be printed in another way.
 * @throws SyntaxError where they are no JSON number
 */
export const bareNumber = (digits: string): unknown => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(digits)

export type JsonObject = { readonly [key: string]: Json }

/** An object with fields, and no list. */
export const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Any JSON value, by one name in the document of the API. */
export const AnyJson: z.ZodType<Json, Json> = z
  .lazy(() => z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(AnyJson), z.record(z.string(), AnyJson)]))
  .meta({ id: 'Json', description: 'Any JSON value.' })
