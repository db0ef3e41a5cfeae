import type { requestSchema } from '#contract'

/** The strict schema of POST /v1/generations for the installed providers. */
export type RequestSchema = ReturnType<typeof requestSchema>
