import { z } from 'zod'

/**
 * A list that a caller sends. How long it is, is judged before any value in it: zod's own bounds come after all the values, and to say of
 * thousands what is wrong with each takes its time.
 */
export const listOf = <Item extends z.ZodType>(item: Item, least: number, most: number) =>
  z.preprocess((given, context) => {
    if (!Array.isArray(given) || given.length <= most) return given
    context.issues.push({ code: 'too_big', origin: 'array', maximum: most, inclusive: true, input: given })
    return z.NEVER
  }, z.array(item).min(least).max(most))
