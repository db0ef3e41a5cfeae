import { z } from 'zod'

/** The part of a list's query that turns its pages. */
export const PageQuery = {
  cursor: z.string().max(500).optional(),
  limit: z.coerce.number().int().min(1).max(100).default(20),
} as const

/** One page of a list, newest first. */
export const pageOf = <Item extends z.ZodType>(item: Item, id: string) =>
  z.object({ object: z.literal('list'), data: z.array(item), has_more: z.boolean(), next_cursor: z.string().nullable() }).meta({ id })

/** A page as it is answered. */
export const page = <Item>(data: Item[], nextCursor: string | null) => ({
  object: 'list' as const,
  data,
  has_more: nextCursor !== null,
  next_cursor: nextCursor,
})
