import { z } from 'zod'
import type { Call, FormPart, ImagesShape, Json, JsonObject, Order, OrderedTier } from '#contract'
import { exactNumber } from './exact-number.ts'
import { asStream, mayStream } from './images-events.ts'

export interface ShapeOptions {
  readonly partial_images?: number | undefined
}

/** An order as the one paid call of this shape. */
export function callFor(order: Order<ShapeOptions>, shape: ImagesShape): Call {
  const call = wholeCallFor(order, shape)
  return shape.stream && mayStream(order) ? asStream(call, order.options.partial_images) : call
}

function wholeCallFor(order: Order, shape: ImagesShape): Call {
  const body = bodyOf(order, shape)
  if (shape.references !== 'multipart' || order.references.length === 0) return { purpose: 'submit', method: 'POST', url: shape.path, body }
  const files = [
    ...order.references.map((image) => fileOf('image[]', image)),
    ...(order.mask === undefined ? [] : [fileOf('mask', order.mask)]),
  ]
  return { purpose: 'submit', method: 'POST', url: shape.edits_path, form: [...textsOf(body), ...files] }
}

/** A number of many digits is written as these, as everywhere. */
const textsOf = (body: JsonObject): readonly FormPart[] =>
  Object.entries(body).map(([name, value]) => ({
    name,
    value:
      typeof value === 'string' ? value : (z.looseObject({ $digits: z.string() }).safeParse(value).data?.$digits ?? JSON.stringify(value)),
  }))

/** From a data URI, which is the form such an offer takes. */
function fileOf(name: string, image: string): FormPart {
  const [, mediaType = 'image/png', base64 = image] = /^data:(image\/[a-z]+);base64,(.*)$/s.exec(image) ?? []
  return { name, filename: `${name.replace('[]', '')}.${mediaType.slice('image/'.length)}`, mediaType, base64 }
}

/** Only what was asked; a number of images beyond one. */
function bodyOf(order: Order, shape: ImagesShape): JsonObject {
  const fields: Readonly<Record<string, Json | undefined>> = {
    model: order.providerModel,
    prompt: order.prompt,
    n: order.count > 1 ? order.count : undefined,
    ...sizeOf(order, shape),
    ...referencesOf(order, shape),
    seed: order.seed === undefined ? undefined : exactNumber(order.seed),
    quality: order.quality,
    background: order.background,
    output_format: order.outputFormat,
    output_compression: order.outputQuality,
    safety_tolerance: order.safetyTolerance,
    prompt_upsampling: order.promptUpsampling,
    guidance_scale: order.guidance,
    steps: order.steps,
    response_format: shape.response_format,
  }
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as JsonObject
}

function sizeOf(order: Order, shape: ImagesShape): Readonly<Record<string, Json | undefined>> {
  const { width, height, tier } = order
  switch (shape.size) {
    case 'size':
      return { size: pixelText({ width, height }) ?? pixelText(tier?.pixels ?? {}) ?? tier?.name }
    case 'width_and_height':
      return tier === undefined ? { width, height } : shapeOf(tier, order)
    case 'aspect_ratio':
      return tier === undefined ? {} : shapeOf(tier, order)
  }
}

const pixelText = ({ width, height }: { readonly width?: number | undefined; readonly height?: number | undefined }): string | undefined =>
  width === undefined || height === undefined ? undefined : `${width}x${height}`

/** A single resolution is never said: there may be no field for it. */
function shapeOf({ aspectRatio, name }: OrderedTier, { limits }: Order): Readonly<Record<string, Json | undefined>> {
  const isOnly = limits.size.kind === 'tier' && limits.size.tiers.length === 1
  return { aspect_ratio: aspectRatio, resolution: isOnly ? undefined : name }
}

function referencesOf({ references, limits }: Order, shape: ImagesShape): Readonly<Record<string, Json | undefined>> {
  if (references.length === 0) return {}
  switch (limits.reference_images.max === 1 ? (shape.single_reference ?? shape.references) : shape.references) {
    case 'none':
    case 'multipart':
      return {}
    case 'image_url':
      return { image_url: references[0] }
    case 'reference_images':
      return { reference_images: [...references] }
    case 'input_references':
      return { input_references: references.map((url) => ({ type: 'image_url', image_url: { url } })) }
  }
}
