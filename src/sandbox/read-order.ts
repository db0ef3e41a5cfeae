import { isFields, type Fields } from './fields.ts'
import { digitsOf } from './numbers.ts'
import type { ImageFormat } from './task.ts'

/** Where a vendor's body has what every order has. A dot leads into an object: `inputs.referenceImages`. */
export interface OrderFields {
  readonly prompt: string
  readonly width: string
  readonly height: string
  /** A negative seed is left to chance. */
  readonly seed: string
  /** `png`, `JPG`, …; a JPEG without it. */
  readonly format: string
  /** Texts or lists of texts, in the order in which the vendor takes them. */
  readonly references: readonly string[]
  /** The task's id where the caller gives it. */
  readonly id?: string
  readonly count?: string
  readonly quality?: string
  readonly webhookUrl?: string
  readonly webhookSecret?: string
  /** Seconds a link lives, where the caller says it. */
  readonly linkLife?: string
}

/** The usual names; a wire gives those of its own that differ. */
export const USUAL_FIELDS: OrderFields = {
  prompt: 'prompt',
  width: 'width',
  height: 'height',
  seed: 'seed',
  format: 'output_format',
  references: [],
}

/** What every order has, as it was in the body. */
export interface ReadOrder {
  readonly prompt: string
  readonly width: number | undefined
  readonly height: number | undefined
  readonly seed: string | undefined
  readonly format: ImageFormat
  readonly references: readonly string[]
  /** In lower case: ids of tasks are compared without it. */
  readonly id: string | undefined
  readonly count: number
  readonly quality: number | undefined
  readonly webhook: { readonly url: string; readonly secret: string | null } | null
  readonly linkLifeMs: number | undefined
}

/** Reads a body that the vendor's schema accepts. */
export function readOrder(names: OrderFields, body: Fields): ReadOrder {
  const text = (name: string | undefined) => textOf(valueAt(body, name))
  const number = (name: string | undefined) => numberOf(valueAt(body, name))
  const url = text(names.webhookUrl)
  const seconds = number(names.linkLife)
  const seed = digitsOf(valueAt(body, names.seed))
  return {
    prompt: text(names.prompt) ?? '',
    width: number(names.width),
    height: number(names.height),
    seed: seed?.startsWith('-') ? undefined : seed,
    format: formatOf(text(names.format)),
    references: names.references.flatMap((name) => textsOf(valueAt(body, name))),
    id: text(names.id)?.toLowerCase(),
    count: number(names.count) ?? 1,
    quality: number(names.quality),
    webhook: url === undefined ? null : { url, secret: text(names.webhookSecret) ?? null },
    linkLifeMs: seconds === undefined ? undefined : seconds * 1000,
  }
}

const valueAt = (body: Fields, name: string | undefined): unknown =>
  name?.split('.').reduce<unknown>((value, part) => (isFields(value) ? value[part] : undefined), body)

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)
/** Texts, and those of `{ image_url: { url } }`. */
const textsOf = (value: unknown): readonly string[] =>
  (Array.isArray(value) ? value : [value])
    .map((each: unknown) => (isFields(each) ? valueAt(each, 'image_url.url') : each))
    .filter((each) => typeof each === 'string')

function formatOf(word: string | undefined): ImageFormat {
  const format = word?.toLowerCase()
  return format === 'png' || format === 'webp' ? format : 'jpeg'
}
