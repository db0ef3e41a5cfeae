import { z } from 'zod'
import { AnyJson, requestFields, RouteRule } from '#contract'
import { GatewayKey } from './key-schema.ts'
import { LimitSettings } from './limits-schema.ts'
import { ENCODE_PASSWORD, isPostgresUrl } from './postgres-url.ts'
import { DiscountPercent, PriceOverride, SurchargePercent } from './price-schema.ts'
import { relayFields } from './relay-schema.ts'
import { Server } from './server-schema.ts'

const Store = z
  .strictObject({
    url: z
      .string()
      .regex(/^(file:.+|postgres(ql)?:\/\/.+)/, '"file:<path>" or "postgres://…"')
      .refine((url) => !url.startsWith('postgres') || isPostgresUrl(url), `it is no address: ${ENCODE_PASSWORD}`)
      .optional()
      .meta({
        description:
          'The database: file:<folder>/imagegate.db, or postgres://user:password@host/database for PostgreSQL, which any number of gateways may share. Default: imagegate.db in the data folder. A change needs a restart.',
      }),
  })
  .meta({ description: 'Where generations and costs are kept.' })

const DURATION = /^\d{1,6}[smhd]$/
const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `24h` in milliseconds. */
export const durationMs = (text: string): number => Number(text.slice(0, -1)) * (UNIT_MS[text.slice(-1)] ?? Number.NaN)

const Assets = z
  .strictObject({
    url: z
      .string()
      .regex(/^(file:.+|s3:\/\/.+)/, '"file:<folder>" or "s3://<bucket>"')
      .optional()
      .meta({
        description:
          'Image files: a folder, or an S3-compatible bucket as s3://bucket/folder?endpoint=…&region=…&path_style=…, whose credentials the environment has. Default: the folder images in the data folder. A change needs a restart.',
      }),
    keep: z
      .boolean()
      .optional()
      .meta({ description: 'Default true: images are fetched, checked and stored. false passes on the provider’s own expiring link.' }),
    max_image_bytes: z.number().int().min(1024).optional().meta({ description: 'Largest image taken. Default 67108864.' }),
    max_age_days: z
      .number()
      .positive()
      .max(36_500)
      .optional()
      .meta({ description: 'Images older than this are removed; their links answer 410. Default: never.' }),
    max_bytes: z.number().int().min(0).optional().meta({
      description: 'Where all images together take more, the oldest are removed; those of the last 15 minutes stay. Default: no limit.',
    }),
    link_ttl: z
      .string()
      .regex(DURATION, 'a number and s, m, h or d: "24h"')
      .refine(
        (text) => !DURATION.test(text) || durationMs(text) >= 60_000,
        'a link that lives less than a minute ends before it is used: write at least "1m"',
      )
      .optional()
      .meta({
        description:
          'How long a signed image link is valid where keys are on, such as "24h" or "7d"; every answer carries a new one. Default 24h.',
      }),
    public: z.boolean().optional().meta({
      description:
        'true serves images to everybody who has the link, for ever, keys or not. Default false: where keys are on, links are signed and expire.',
    }),
    served_by: z.enum(['gateway', 'bucket']).optional().meta({
      description:
        'bucket sends whoever may see an image on to a signed link of the bucket, which is valid for ten minutes; the links in answers stay the gateway’s. Default gateway: the bytes go through it.',
    }),
  })
  .meta({ description: 'Where images are kept.' })

const ProviderSettings = z
  .strictObject({
    enabled: z.boolean().optional().meta({ description: 'false takes the provider out, whatever its key. Default true.' }),
    api_key: z.string().optional().meta({
      description: 'Its API key, best as "${NAME}"; where NAME is unset there is no key. Default: the variable the manifest names.',
    }),
    base_url: z
      .url({ protocol: /^https?$/ })
      .optional()
      .meta({ description: 'Any host, a proxy or a test double included; it gets this provider’s key. Default: the manifest’s.' }),
    callback_secret: z.string().optional().meta({
      description:
        'What the vendor signs its callbacks with (`whsec_…`), best as "${NAME}". Default: the variable the manifest names. Without it the vendor is polled.',
    }),
    max_in_flight: z.number().int().min(1).optional().meta({ description: 'Unfinished tasks at once. Default: the manifest’s.' }),
    discount_percent: DiscountPercent.optional(),
    surcharge_percent: SurchargePercent.optional(),
    prices: z.record(z.string(), PriceOverride).optional().meta({ description: 'Own prices, by model.' }),
    ...relayFields,
  })
  .meta({ description: 'One provider account.' })

/** What an alias may preset: the fields of a request that describe the image. */
const Defaults = z
  .strictObject({
    width: requestFields.width,
    height: requestFields.height,
    aspect_ratio: requestFields.aspect_ratio,
    megapixels: requestFields.megapixels,
    seed: requestFields.seed,
    n: requestFields.n,
    output_format: requestFields.output_format,
    output_quality: requestFields.output_quality,
    safety_tolerance: requestFields.safety_tolerance,
    prompt_upsampling: requestFields.prompt_upsampling,
    guidance: requestFields.guidance,
    steps: requestFields.steps,
    quality: requestFields.quality,
    background: requestFields.background,
    on_unsupported: requestFields.on_unsupported,
    provider_options: z.record(z.string(), z.record(z.string(), AnyJson)).optional().meta({
      description: 'By provider id: what one provider takes beyond these fields.',
    }),
  })
  .meta({ description: 'Used where a request does not say.' })
export type Defaults = z.infer<typeof Defaults>

const ModelSettings = z
  .strictObject({
    model: z
      .string()
      .min(1)
      .optional()
      .meta({ description: 'Makes this entry an alias of that model, or of `provider/model`. An alias of an alias is refused.' }),
    defaults: Defaults.optional(),
    retires_on: z.iso
      .date()
      .optional()
      .meta({ description: 'A real model only: the day (UTC) from which on it is not bought. Answers warn from 60 days before.' }),
    replaced_by: z
      .string()
      .min(1)
      .optional()
      .meta({ description: 'Beside retires_on: the model or alias to use instead; callers read it.' }),
    route: RouteRule.optional().meta({
      description: 'One of { order: […] }, { sort: price | latency }, { weights: {…} }. Default: cheapest first, unpriced last.',
    }),
  })
  .meta({ description: 'How a model is routed, or an alias with presets.' })

const Breaker = z
  .strictObject({
    faults: z
      .number()
      .int()
      .min(1)
      .max(1_000)
      .optional()
      .meta({ description: 'Faults of a provider in a row that open its breaker. Default 5.' }),
    cool_down_seconds: z
      .number()
      .min(0.01)
      .max(600)
      .optional()
      .meta({ description: 'How long it then gets no tasks before it is probed; doubles while it stays broken, up to 600. Default 30.' }),
  })
  .meta({
    description:
      'When a failing provider is left out, so that others take over. Without this section it is on, but off in the sandbox, where failures are rehearsed.',
  })

const Routing = z
  .strictObject({
    slot_wait_ms: z.number().int().min(0).max(600_000).optional().meta({
      description:
        'The longest a provider whose slots are all taken keeps a request, in milliseconds, while another exact or near offer has a free one. Default 2000.',
    }),
  })
  .meta({ description: 'How a request moves between providers.' })

const Webhooks = z
  .strictObject({
    secrets: z
      .array(
        z
          .string()
          .refine(
            (secret) => /^whsec_[A-Za-z0-9+/]{32,86}={0,2}$/.test(secret),
            'write "whsec_" and 24 to 64 bytes in base64: printf whsec_; openssl rand -base64 32',
          ),
      )
      .min(1)
      .max(4)
      .optional()
      .meta({
        description:
          'Sign webhooks, one signature each, so that an old and a new one can be live at once; best as "${NAME}". Default: one of its own, in webhook.secret in the data folder.',
      }),
  })
  .meta({ description: 'Webhooks that report the end of generations.' })

/** The configuration file. Every key is optional; an unknown one is an error. */
export const ConfigFile = z.strictObject({
  server: Server.optional(),
  store: Store.optional(),
  assets: Assets.optional(),
  keys: z
    .array(GatewayKey)
    .optional()
    .meta({ description: 'Who may use the gateway. Without keys anybody may, and only loopback is served.' }),
  limits: LimitSettings.optional(),
  network: z
    .strictObject({
      allow: z.array(z.string().min(1)).optional().meta({
        description: 'Private addresses (CIDR, or host:port) that downloads, references and webhooks may reach. Default: none.',
      }),
      proxy: z.string().optional().meta({
        description:
          'The http or https proxy that everything outside is reached through. Default: HTTPS_PROXY, else HTTP_PROXY; "" reaches everything directly.',
      }),
      no_proxy: z.string().optional().meta({
        description: 'Names, addresses and domains that are reached directly, joined by commas. Default: NO_PROXY.',
      }),
    })
    .optional()
    .meta({ description: 'What the gateway may reach, and through what.' }),
  webhooks: Webhooks.optional(),
  providers: z.record(z.string(), ProviderSettings).optional().meta({ description: 'By provider id.' }),
  breaker: Breaker.optional(),
  routing: Routing.optional(),
  models: z.record(z.string().min(1), ModelSettings).optional().meta({ description: 'By canonical model id or alias name.' }),
})
export type ConfigFile = z.infer<typeof ConfigFile>
export type ProviderSettings = z.infer<typeof ProviderSettings>
