import { z } from 'zod'

const ShownBody = z.string().nullable().meta({
  description:
    'Without secrets, as JSON where it is one; inline images stand in it as `[image, <bytes> bytes, sha256 <hex>]`. Null where there is none.',
})

/** One HTTP request to a vendor and what came of it, as its owner may see it. */
export const AttemptCall = z
  .object({
    purpose: z.enum(['submit', 'poll', 'recover', 'cancel']),
    method: z.enum(['GET', 'POST', 'PUT']),
    url: z.string().meta({ description: 'A path below the provider’s base URL, or an address the provider gave, without its query.' }),
    body: ShownBody,
    body_truncated: z.boolean().meta({ description: 'Only its first 16 kB are kept.' }),
    sent_at: z.iso.datetime(),
    duration_ms: z.number().int(),
    outcome: z.enum(['replied', 'not_sent', 'lost', 'refused']).meta({
      description:
        '`not_sent`: it did not reach the provider. `lost`: it may have, and no whole reply came. `refused`: the gateway does not send to that address.',
    }),
    reason: z.string().nullable().meta({ description: 'Why there is no reply; null where there is one.' }),
    repeated: z.number().int().min(1).meta({ description: 'So many calls in a row failed in the same way; this is the last of them.' }),
    reply: z
      .object({
        status: z.number().int(),
        headers: z
          .record(z.string(), z.string())
          .meta({ description: 'Content type, `Retry-After` and ids of the request, where they came.' }),
        body: ShownBody,
        body_truncated: z.boolean(),
      })
      .nullable(),
  })
  .meta({ id: 'AttemptCall' })
export type AttemptCall = z.infer<typeof AttemptCall>

/** What was said to a vendor in one attempt, and what it answered. */
export const AttemptCalls = z
  .object({
    object: z.literal('attempt_calls'),
    generation_id: z.string(),
    attempt: z.number().int().min(1).meta({ description: 'Its number among the generation’s attempts, from 1.' }),
    provider: z.string(),
    sandbox: z.boolean(),
    complete: z.boolean().meta({
      description: 'False while it is open, where the gateway was restarted meanwhile, and for attempts of versions that kept no calls.',
    }),
    data: z
      .array(AttemptCall)
      .meta({ description: 'In order: the submit, each failure (at most the first and last few), and the last poll.' }),
  })
  .meta({ id: 'AttemptCalls' })
export type AttemptCalls = z.infer<typeof AttemptCalls>
