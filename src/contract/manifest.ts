import { z } from 'zod'
import { CallbackSignature } from './callback-signature.ts'
import { Limits } from './limits.ts'
import { PublishedPrice } from './price.ts'
import { PublishedPriceList } from './price-list.ts'
import { PriceEstimate, PublishedSchema } from './published-schema.ts'
import { Shape } from './shape.ts'

/** A host the vendor's calls may go to, with its key: an exact name or `*.name` for any name below it. */
const HostPattern = z.string().regex(/^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+$/)

const Milliseconds = z.number().int().positive()

/** What one provider sells as one of our models. `provider_model` is the vendor's own id. */
export const ModelEntry = z.strictObject({
  provider_model: z.string().min(1),
  docs_url: z.url(),
  limits: Limits,
  price: PublishedPrice.nullable().meta({ description: 'Null: the vendor publishes none we could read. Never guessed.' }),
  listed_as: z
    .string()
    .min(1)
    .optional()
    .meta({ description: 'The vendor’s id of the model in its `price_list`, where that is not `provider_model`.' }),
  retires_on: z.iso
    .date()
    .optional()
    .meta({ description: 'From this day on (UTC) the provider no longer sells it. Absent: no end is announced.' }),
  replaced_by: z.string().min(1).optional().meta({ description: 'The model that the provider names instead, by our id where we have it.' }),
  webhook: z
    .literal(false)
    .optional()
    .meta({ description: 'Where the provider has webhooks and this model takes none. Its tasks are polled.' }),
  notes: z.array(z.string()).optional().meta({ description: 'Contradictions and open facts, each dated, with its source.' }),
})
export type ModelEntry = z.infer<typeof ModelEntry>

/** Our id of a model. */
export const ModelName = z.string().regex(/^[a-z0-9][a-z0-9.-]*$/, 'is not of small letters, digits, points and hyphens')

/** `*.name` matches every name below it and not the name itself; anything else matches itself. */
export const matchesHost = (pattern: string, host: string): boolean =>
  pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) : host === pattern

/** Over https; plain http only where the manifest names this machine, as that of a test double does. */
const isAmong = (hosts: readonly string[], { protocol, hostname }: URL): boolean =>
  (protocol === 'https:' || hostname === '127.0.0.1') && hosts.some((pattern) => matchesHost(pattern, hostname))

/** The id of a provider. */
export const ProviderId = z.string().regex(/^[a-z][a-z0-9-]{1,30}$/)

/** `manifest.json` of a provider's folder: everything about a vendor that is data. */
export const Manifest = z
  .strictObject({
    id: ProviderId,
    title: z.string().min(1),
    docs_url: z.url(),
    base_url: z.url(),
    hosts: z
      .array(HostPattern)
      .min(1)
      .meta({ description: 'The only hosts that ever get this provider’s key, beside the configured base_url.' }),
    auth: z.strictObject({
      header: z.string().regex(/^[a-z-]+$/),
      scheme: z.string().optional().meta({ description: 'Written before the key, for example "Bearer".' }),
      env: z
        .string()
        .regex(/^[A-Z][A-Z0-9_]+$/)
        .meta({ description: 'The environment variable that holds the key.' }),
    }),
    max_in_flight: z.number().int().positive().meta({ description: 'Unfinished tasks at once.' }),
    timeouts: z.strictObject({
      submit_ms: Milliseconds,
      poll_ms: Milliseconds,
      deadline_ms: Milliseconds.meta({ description: 'From submit to result; then provider_timeout.' }),
    }),
    polling: z.strictObject({
      first_ms: Milliseconds.meta({ description: 'Before anything is measured: how long after the submit the first poll is sent.' }),
      min_ms: Milliseconds,
      max_ms: Milliseconds,
    }),
    result_url_ttl_ms: Milliseconds.nullable().meta({
      description: 'How long a delivered link lives; null where the vendor does not say.',
    }),
    webhook_secret_header: z
      .string()
      .nullable()
      .meta({ description: 'Header in which the vendor echoes our secret; null where it has none.' }),
    callbacks: z
      .strictObject({ signature: CallbackSignature })
      .optional()
      .meta({ description: 'How the vendor signs its callbacks; absent where it does not.' }),
    safety_options: z.array(z.string()).default([]).meta({
      description: 'Dotted paths in `provider_options` that switch a safety check on; a request that does never runs without it.',
    }),
    price_list: PublishedPriceList.optional().meta({ description: 'Absent where the vendor publishes no prices for programs.' }),
    openapi: PublishedSchema.optional().meta({
      description: 'Absent where the vendor publishes no OpenAPI document whose address is known.',
    }),
    price_estimate: PriceEstimate.optional().meta({
      description: 'Absent where the vendor has no call that says what an order would cost.',
    }),
    shape: Shape.optional().meta({
      description: 'The shape of its API, where that is one we know: the folder then holds this file and no adapter.',
    }),
    declares: z
      .strictObject({
        delivery: z.array(z.enum(['sync', 'poll'])).min(1),
        inline: z.boolean().default(false).meta({ description: 'Images come inside the replies, never as links.' }),
        batch: z.boolean(),
        recover: z.boolean().meta({ description: 'A lost submit reply can be asked for again.' }),
        cost: z.enum(['at_submit', 'at_result', 'none']),
        seed_returned: z.boolean(),
        balance: z.boolean(),
        webhook: z.boolean(),
        cancel: z.boolean().default(false).meta({ description: 'A task can be canceled at the vendor.' }),
      })
      .meta({ description: 'Chooses the parts of the conformance exam this provider sits.' }),
    notes: z
      .array(z.string())
      .optional()
      .meta({ description: 'What it sells and is not offered here, and why; each dated, with its source.' }),
    models: z.record(ModelName, ModelEntry),
  })
  .superRefine(({ callbacks, hosts }, context) => {
    const signature = callbacks?.signature
    if (signature?.scheme !== 'ed25519-jwks' || isAmong(hosts, new URL(signature.jwks_url))) return
    const message = 'is not an https address of the hosts of this manifest'
    context.addIssue({ code: 'custom', path: ['callbacks', 'signature', 'jwks_url'], message })
  })
export type Manifest = z.infer<typeof Manifest>
