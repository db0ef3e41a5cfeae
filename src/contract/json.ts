/** Plain JSON: what a call says, what a reply said, what a memo remembers. Survives a restart unchanged. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/**
 * A JSON number of exactly these digits, for `JSON.stringify`: a double may not hold them, or would be printed in another way.
 * @throws SyntaxError where they are no JSON number
 */
export const bareNumber = (digits: string): unknown => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(digits)

export type JsonObject = { readonly [key: string]: Json }
