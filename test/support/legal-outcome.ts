import { z } from 'zod'
import { Failure, Usd, type Json, type Outcome } from '#contract'

/** Plain JSON that comes back the same from a restart: no undefined, no NaN, no bigint, no date. */
const PlainJson: z.ZodType<Json> = z.json()

const FormPart = z.union([
  z.strictObject({ name: z.string().min(1), value: z.string() }),
  z.strictObject({
    name: z.string().min(1),
    filename: z.string().min(1),
    mediaType: z.string().regex(/^[a-z]+\/[a-z0-9.+-]+$/),
    base64: z.string().min(1),
  }),
])

export const LegalCall = z.strictObject({
  purpose: z.enum(['submit', 'poll', 'recover', 'cancel', 'account']),
  method: z.enum(['GET', 'POST', 'PUT']),
  url: z.string().regex(/^(\/(?!\/)|https?:\/\/)\S+$/, 'a path below the base URL, or an absolute http(s) URL'),
  body: PlainJson.optional(),
  form: z.array(FormPart).min(1).optional(),
  stream: z.literal('server-sent-events').optional(),
  memo: PlainJson.optional(),
})

/** Small facts the vendor gave. */
const Facts = z.record(z.string().min(1), PlainJson)

const NotNegative = Usd.refine((amount) => !amount.startsWith('-'), 'no vendor pays us')
const Count = z.number().int().nonnegative()
const Tokens = z.strictObject({
  text_input: Count.optional(),
  image_input: Count.optional(),
  cached_input: Count.optional(),
  image_output: Count.optional(),
  text_output: Count.optional(),
})
const Cost = z.union([
  z.strictObject({ amount: NotNegative, raw: PlainJson }),
  z.strictObject({ tokens: Tokens, raw: PlainJson }),
  z.strictObject({ units: z.string().regex(/^\d+(\.\d+)?$/), raw: PlainJson }),
])

const Image = z.strictObject({
  source: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('url'), url: z.string().regex(/^https?:\/\/\S+$/i) }),
    z.strictObject({ kind: z.literal('base64'), data: z.string().min(1) }),
  ]),
  id: z.string().min(1).optional(),
  expiresAt: z.iso.datetime({ offset: true }).optional(),
  seed: z.string().regex(/^\d+$/).optional(),
  flagged: z.boolean().optional(),
})

const LegalFailure = Failure.strict().refine(({ message }) => message.trim() !== '', 'a failure says something')

/** What an adapter may return. Stricter than the type: nothing extra, nothing empty. */
export const LegalOutcome = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('done'),
    images: z.array(Image).min(1),
    failures: z.array(LegalFailure).optional(),
    cost: Cost.optional(),
    promptUsed: z.string().optional(),
    taskId: z.string().min(1).optional(),
    vendor: Facts.optional(),
  }),
  z.strictObject({
    kind: z.literal('pending'),
    next: LegalCall.refine(({ purpose }) => purpose === 'poll' || purpose === 'recover', 'the next call after a pending is free'),
    afterMs: z.number().int().nonnegative().nullable(),
    progress: z.number().min(0).max(1).optional(),
    cost: Cost.optional(),
    taskId: z.string().min(1).optional(),
    vendor: Facts.optional(),
    note: z.string().min(1).optional(),
    images: z.array(Image).min(1).optional(),
  }),
  ...(['failed', 'refused'] as const).map((kind) =>
    z.strictObject({
      kind: z.literal(kind),
      failure: LegalFailure,
      cost: Cost.optional(),
      taskId: z.string().min(1).optional(),
      vendor: Facts.optional(),
    }),
  ),
])

/** Why an outcome is illegal, a line for each objection; empty where it is legal. */
export function objectionsTo(outcome: Outcome): readonly string[] {
  const parsed = LegalOutcome.safeParse(outcome)
  return parsed.success ? [] : parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
}
