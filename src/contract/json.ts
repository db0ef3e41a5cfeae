/** Plain JSON: what a call says, what a reply said, what a memo remembers. Survives a restart unchanged. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

export type JsonObject = { readonly [key: string]: Json }
