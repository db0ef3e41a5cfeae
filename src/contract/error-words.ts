import { z } from 'zod'
import { JsonPointer } from './json-pointer.ts'

/** Where a vendor's errors stand in its replies, and which of them are moderation, for both shapes. */
export const errorWords = {
  code: z.array(JsonPointer).default([]).meta({ description: 'A text or a number; the first pointer that finds any counts.' }),
  message: z.array(JsonPointer).default([]),
  moderated: z.array(z.string()).default([]).meta({ description: 'Codes of moderation.' }),
  moderated_texts: z
    .array(z.strictObject({ text: z.string().min(1), stage: z.enum(['request', 'output']).optional() }))
    .default([])
    .meta({
      description:
        'Where no code says that a task was moderated: a part of its message that does. `stage` is absent where the message does not say which side it was.',
    }),
} as const
