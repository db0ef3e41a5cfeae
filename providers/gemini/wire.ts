import { z } from 'zod'

/** What this vendor takes beyond the normalized request: @google/genai 3.1.0 of 2026-11-10, `HarmBlockThreshold` and `ThinkingLevel`. */
export const GeminiOptions = z
  .strictObject({
    safety_threshold: z
      .enum(['BLOCK_LOW_AND_ABOVE', 'BLOCK_MEDIUM_AND_ABOVE', 'BLOCK_ONLY_HIGH', 'BLOCK_NONE'])
      .optional()
      .meta({ description: 'From which probability of harm on a request is refused, in each of four categories.' }),
    thinking_level: z
      .enum(['minimal', 'medium', 'high'])
      .optional()
      .meta({ description: 'How much gemini-nano-banana-2.1 thinks, which is billed as text. Ignored by the other models.' }),
  })
  .meta({ id: 'GeminiOptions' })
export type GeminiOptions = z.infer<typeof GeminiOptions>

export const HARM_CATEGORIES = [
  'HARM_CATEGORY_HARASSMENT',
  'HARM_CATEGORY_HATE_SPEECH',
  'HARM_CATEGORY_SEXUALLY_EXPLICIT',
  'HARM_CATEGORY_DANGEROUS_CONTENT',
] as const

const text = z.string().min(1).optional().catch(undefined)
const count = z.number().int().nonnegative().optional().catch(undefined)
/** A modality that comes twice is one. */
const counts = z
  .array(z.object({ modality: text, tokenCount: count }))
  .transform((details) => details.filter(({ modality }, index) => details.findIndex((other) => other.modality === modality) === index))
  .optional()
  .catch(undefined)

const Part = z.object({
  text,
  /** An interim image or sentence, not part of the answer. */
  thought: z.boolean().optional().catch(undefined),
  inlineData: z.object({ mimeType: text, data: text }).optional().catch(undefined),
})
export type Part = z.infer<typeof Part>

const Usage = z.object({
  promptTokenCount: count,
  promptTokensDetails: counts,
  cachedContentTokenCount: count,
  candidatesTokenCount: count,
  candidatesTokensDetails: counts,
  thoughtsTokenCount: count,
  toolUsePromptTokenCount: count,
})
export type Usage = z.infer<typeof Usage>

/** A reply to generateContent, as far as it is read. */
export const Answer = z.object({
  candidates: z
    .array(
      // One that is no object is none; those beside it are.
      z
        .object({
          content: z
            .object({ parts: z.array(Part.catch({})).optional().catch(undefined) })
            .optional()
            .catch(undefined),
          finishReason: text,
          finishMessage: text,
        })
        .catch({}),
    )
    .optional()
    .catch(undefined),
  promptFeedback: z.object({ blockReason: text }).optional().catch(undefined),
  usageMetadata: Usage.optional().catch(undefined),
  responseId: text,
  modelVersion: text,
})
export type Answer = z.infer<typeof Answer>

const ErrorDetail = z.object({ reason: text, retryDelay: text })
const VendorError = z.object({
  message: text,
  status: text,
  details: z.array(ErrorDetail).optional().catch(undefined),
})

/** What an error says: the vendor’s word, its sentence, why, and for how long to wait. */
export interface Problem {
  readonly status?: string | undefined
  readonly message?: string | undefined
  readonly reasons: readonly string[]
  readonly retryAfterMs: number | null
}

export function readProblem(body: unknown): Problem {
  const { status, message, details = [] } = z.object({ error: VendorError }).safeParse(body).data?.error ?? {}
  const delays = details.flatMap(({ retryDelay }) => {
    const [, seconds] = /^(\d{1,9}(?:\.\d{1,9})?)s$/.exec(retryDelay ?? '') ?? []
    return seconds === undefined ? [] : [Math.ceil(Number(seconds) * 1_000)]
  })
  return {
    status,
    message,
    reasons: details.flatMap(({ reason }) => reason ?? []),
    retryAfterMs: delays.length === 0 ? null : Math.max(...delays),
  }
}

/** Words of `finishReason` that say moderation: @google/genai 3.1.0, `FinishReason`. */
export const WITHHELD: ReadonlySet<string> = new Set([
  'SAFETY',
  'RECITATION',
  'BLOCKLIST',
  'PROHIBITED_CONTENT',
  'SPII',
  'IMAGE_SAFETY',
  'IMAGE_PROHIBITED_CONTENT',
  'IMAGE_RECITATION',
])
/** Those that say an end without an image and without moderation. */
export const NOTHING_DRAWN: ReadonlySet<string> = new Set([
  'STOP',
  'MAX_TOKENS',
  'LANGUAGE',
  'OTHER',
  'NO_IMAGE',
  'IMAGE_OTHER',
  'MALFORMED_RESPONSE',
])
