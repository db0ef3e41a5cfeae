import { z } from 'zod'

const HeaderName = z.string().regex(/^[a-z0-9-]+$/, 'must be a header’s name in lower case')

const Tolerance = z
  .number()
  .int()
  .min(1)
  .max(300)
  .default(300)
  .meta({ description: 'So far the time that a callback states and ours may lie apart, either way.' })

/** How a vendor signs its callbacks. What is not signed so, or too old, or has come before, is answered like an unknown address. */
export const CallbackSignature = z
  .discriminatedUnion('scheme', [
    z.strictObject({
      scheme: z.literal('standard-webhooks'),
      secret_env: z
        .string()
        .regex(/^[A-Z][A-Z0-9_]+$/)
        .meta({ description: 'The environment variable that holds the vendor’s signing secret, beside `providers.<id>.callback_secret`.' }),
      tolerance_seconds: Tolerance,
    }),
    z.strictObject({
      scheme: z.literal('ed25519-jwks'),
      jwks_url: z
        .url({ protocol: /^https?$/ })
        .meta({ description: 'Where the vendor publishes its keys: one of the manifest’s `hosts`.' }),
      headers: z.strictObject({
        signed: z
          .array(HeaderName)
          .min(1)
          .max(8)
          .meta({ description: 'Whose values are signed, in their order, before the SHA-256 of the body in hex; a line each.' }),
        id: HeaderName.meta({ description: 'Names the callback: one that came before is not new. Among `signed`.' }),
        timestamp: HeaderName.meta({ description: 'Whole seconds since 1970. Among `signed`.' }),
        signature: HeaderName.meta({ description: 'In hex.' }),
      }),
      tolerance_seconds: Tolerance,
    }),
  ])
  .superRefine((signature, context) => {
    if (signature.scheme !== 'ed25519-jwks') return
    const { signed, id, timestamp } = signature.headers
    for (const [field, name] of Object.entries({ id, timestamp })) {
      if (signed.includes(name)) continue
      context.addIssue({
        code: 'custom',
        path: ['headers', field],
        message: `${name} is not among the signed headers, so anybody could change it`,
      })
    }
  })
export type CallbackSignature = z.infer<typeof CallbackSignature>
