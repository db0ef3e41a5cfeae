import { z } from 'zod'
import type { Json } from './json.ts'

/** A JSON pointer; for some fields `*` stands for each entry of a list. */
export const JsonPointer = z.string().regex(/^(\/[^/]+)+$/, 'a JSON pointer, for example "/usage/cost"')

const partsOf = (pointer: string): string[] => pointer.slice(1).split('/')

const childOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined

/** What stands there; undefined where nothing does. */
export const valueAt = (body: unknown, pointer: string): Json | undefined =>
  partsOf(pointer).reduce<unknown>(childOf, body) as Json | undefined

/** All that stands there, `*` being each entry of a list. */
export function valuesAt(body: unknown, pointer: string): readonly Json[] {
  let values: readonly unknown[] = [body]
  for (const name of partsOf(pointer)) {
    values = values.flatMap((value) =>
      name === '*' ? (Array.isArray(value) ? (value as readonly unknown[]) : []) : [childOf(value, name)],
    )
  }
  return values.filter((value): value is Json => value !== undefined)
}

/** Writes into `body`, with the objects on the way. */
export function writeAt(body: Record<string, unknown>, pointer: string, value: unknown): void {
  const parts = partsOf(pointer)
  const last = parts.pop() ?? ''
  let target = body
  for (const name of parts) target = (target[name] ??= {}) as Record<string, unknown>
  target[last] = value
}
