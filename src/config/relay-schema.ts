import { z } from 'zod'
import { hasCredentials, ImagesShape, Limits, ModelName } from '#contract'
import { PriceOverride } from './price-schema.ts'

const { path, edits_path, size, references, response_format, stream, cost, errors } = ImagesShape.shape

/** A model that a relay sells, under our id. */
const RelayModel = z
  .strictObject({
    provider_model: z.string().min(1).meta({ description: 'Its own id of the model.' }),
    price: PriceOverride.optional().meta({ description: 'What you pay there. Default: not known, so there is no quote.' }),
    limits: Limits.partial().optional().meta({
      description:
        'What it takes. Default: any size from 64 to 4096 pixels a side, one image in a call, references as `references` says, and none of the other fields.',
    }),
    retires_on: z.iso.date().optional().meta({ description: 'From this day on (UTC) it is not bought.' }),
    replaced_by: z.string().min(1).optional().meta({ description: 'Beside retires_on: what to use instead.' }),
  })
  .meta({ description: 'A model that this provider sells.' })

/** Only beside `shape`: what else a manifest says. */
export const relayFields = {
  shape: ImagesShape.shape.name
    .optional()
    .meta({ description: 'Makes this entry a provider of its own, whose API has this shape: no code is needed.' }),
  title: z.string().min(1).optional().meta({ description: 'Beside shape: its name on pages. Default: the id.' }),
  docs_url: z
    .url({ protocol: /^https?$/ })
    .refine((text) => {
      const url = URL.parse(text)
      return url === null || !hasCredentials(url)
    }, 'a page that everybody may read, without a user name or password')
    .optional()
    .meta({ description: 'Beside shape: its page. Default: base_url.' }),
  auth: z
    .strictObject({
      header: z.string().regex(/^[a-z-]+$/, 'a header in lower case'),
      scheme: z.string().optional().meta({ description: 'Written before the key.' }),
    })
    .optional()
    .meta({ description: 'Beside shape: where its key stands. Default: { header: authorization, scheme: Bearer }.' }),
  path: optional(path, 'Default: /v1/images/generations, without /v1 where base_url ends in a version.'),
  edits_path: optional(edits_path, 'Default: /v1/images/edits, without /v1 where base_url ends in a version.'),
  size: optional(size, 'How a size is written: `size: "1024x1024"` (default), `width` and `height`, or `aspect_ratio` and `resolution`.'),
  references: optional(
    references,
    'How it takes reference images: one in `image_url`, a list in `reference_images` or `input_references`, or as files of a form to edits_path. Default: none.',
  ),
  mask: z.literal(true).optional().meta({ description: 'Beside shape: it takes a mask, in the form of `references: multipart`.' }),
  response_format: response_format.meta({ description: 'Beside shape: sent as it is, such as "url" or "b64_json".' }),
  stream: optional(
    stream,
    'Whether the reply to an order of one image is asked for as Server-Sent Events, `stream: true`: its beginning proves the acceptance, and `partial_images` is an option of this provider. Default: false.',
  ),
  cost: optional(
    cost,
    'Where a reply says the charge, and in what. Default: usage.cost, else cost, in US dollars; tokens where there is none.',
  ),
  errors: errors.meta({
    description:
      'Beside shape: JSON pointers to where an error has its code and message, and its own words for moderation. Default: error.message, error.code, error.type.',
  }),
  submit_timeout_ms: z.number().int().min(1_000).max(3_600_000).optional().meta({
    description: 'Beside shape: how long its reply, which brings the images, is waited for. Default 300000.',
  }),
  models: z.record(ModelName, RelayModel).optional().meta({ description: 'Beside shape: what it sells, by our id of the model.' }),
} as const

/** The field without its default, so that what is not written stays absent. */
function optional<Schema extends z.ZodType>(schema: z.ZodDefault<Schema>, description: string) {
  return schema
    .unwrap()
    .optional()
    .meta({ description: `Beside shape: ${description}` })
}

const Relay = z.strictObject(relayFields)
export type RelaySettings = z.infer<typeof Relay>

export const RELAY_FIELDS = Object.keys(relayFields)
