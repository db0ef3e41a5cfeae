import { z } from 'zod'
import { errorWords } from './error-words.ts'
import { JsonPointer } from './json-pointer.ts'
import { QueueShape } from './queue-shape.ts'

/**
 * `POST …/images/generations` with a JSON body, answered with the images in `data[]`, as links or in base64. What differs from one vendor to
 * the next is data here; a vendor for which that is not enough has an adapter of its own.
 */
export const ImagesShape = z
  .strictObject({
    name: z.literal('openai-images'),
    path: z.string().startsWith('/').default('/v1/images/generations'),
    size: z
      .enum(['size', 'width_and_height', 'aspect_ratio'])
      .default('size')
      .meta({ description: '`size: "1024x1024"`, `width` and `height`, or, for offers of ratio × tier, `aspect_ratio` and `resolution`.' }),
    references: z.enum(['none', 'image_url', 'reference_images', 'input_references', 'multipart']).default('none').meta({
      description:
        'One in `image_url`, or a list in `reference_images`, or in `input_references` as `{ type: "image_url", image_url: { url } }`; `multipart`: as files `image[]`, with a `mask`, of a form that goes to `edits_path`. `none`: it takes none.',
    }),
    single_reference: z
      .enum(['image_url'])
      .optional()
      .meta({ description: 'The field of a model that takes one reference at most, where that is not the field of the others.' }),
    edits_path: z.string().startsWith('/').default('/v1/images/edits'),
    unbilled_statuses: z.array(z.number().int().min(500).max(599)).default([]).meta({
      description: 'HTTP statuses of a server’s trouble with which nothing was bought, where its pages say so; of any other nobody knows.',
    }),
    response_format: z
      .string()
      .min(1)
      .optional()
      .meta({ description: 'Sent as it is, where the vendor would else deliver what is not wanted.' }),
    stream: z.boolean().default(false).meta({
      description:
        'The reply to an order of one image is asked for as Server-Sent Events (`stream: true`), so that its beginning proves the acceptance; `partial_images` is then an option.',
    }),
    cost: z
      .strictObject({
        pointer: JsonPointer.optional().meta({ description: 'Where the reply says the charge. Default: `/usage/cost`, else `/cost`.' }),
        unit: z.enum(['usd', 'cents', 'none']).default('usd').meta({ description: '`none`: what stands there is no charge.' }),
        usd_per_unit: z
          .string()
          .regex(/^\d{1,9}(\.\d{1,9})?$/)
          .optional()
          .meta({ description: 'Where the vendor counts in a unit of its own: what one is worth, instead of `unit`.' }),
      })
      .default({ unit: 'usd' }),
    errors: z.strictObject(errorWords).optional().meta({
      description:
        'Where an error stands, and its own words for moderation, beside those that are known: `error.message`, `error.code` and `error.type`, or the same fields or `detail` of the body. A reply that succeeds without an image and has a code or a message there is an error too.',
    }),
  })
  .meta({ id: 'ImagesShape' })
export type ImagesShape = z.infer<typeof ImagesShape>

/** The shapes of APIs that we know. */
export const Shape = z.discriminatedUnion('name', [ImagesShape, QueueShape], {
  error: `is none of the shapes we know: ${ImagesShape.shape.name.value}, ${QueueShape.shape.name.value}`,
})
export type Shape = z.infer<typeof Shape>
