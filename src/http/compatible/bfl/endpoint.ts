import type { Json, JsonObject } from '#contract'
import { headerText, integer, nullable, string, webUrl } from './validators.ts'
import type { Check } from './validators.ts'

/** One of BFL's generation endpoints, as its OpenAPI describes it. */
export interface Endpoint {
  readonly path: string
  /** Our model. */
  readonly model: string
  /** Fields by name, in the order of the schema. */
  readonly fields: Readonly<Record<string, Check>>
  /** Fields that the OpenAPI does not have and clients send: honoured where they are right, else ignored as any unknown field. */
  readonly extras?: Readonly<Record<string, Check>>
  /** What BFL uses where nothing is sent, or null is. */
  readonly defaults: Readonly<Record<string, Json>>
  readonly promptRequired: boolean
  /** Only where it sells shapes instead of pixels: how large the image is, by what was said, defaults included. */
  readonly megapixels?: (said: JsonObject) => number
}

/** The slots of reference images, in order. */
export const IMAGE_SLOTS = Array.from({ length: 8 }, (_, index) => (index === 0 ? 'input_image' : `input_image_${index + 1}`))

/** The first so many slots. */
export const slots = (count: number): Readonly<Record<string, Check>> =>
  Object.fromEntries(IMAGE_SLOTS.slice(0, count).map((slot) => [slot, nullable(string)]))

/** 0 is the schema's default and below its minimum: it stands for nothing sent. */
export const side: Check = (value) => {
  const checked = nullable(integer())(value)
  return checked.kind === 'value' && checked.value === 0 ? { kind: 'value', value: null } : nullable(integer({ min: 64 }))(value)
}

export const webhook = { webhook_url: nullable(webUrl), webhook_secret: nullable(headerText) } as const
