import { judge } from '#contract'
import type { GenerationRequest, Json, Warning } from '#contract'
import type { GenerationRecord, WebhookTarget } from '../core/records.ts'
import type { Accept } from '../core/generation/accept.ts'
import type { CountPurchases, IdempotencyEntry } from '../core/ports.ts'
import type { Run } from '../core/generation/run.ts'
import { hashOfBody, IdempotencyMismatch } from '../core/generation/idempotency.ts'
import type { Idempotency } from '../core/generation/idempotency.ts'
import { scopesOf } from '../core/keys/key-record.ts'
import type { GenerationLimit } from './limits/generations.ts'
import { invalidRequest } from './invalid-request.ts'
import { askedOrigin, currentRequestId, currentTraceparent, whileKeyCounts } from './request-context.ts'
import type { RequestSchema } from './request-schema.ts'

/** The one way in, whatever the API: validated, planned, accepted, awaited. */
export interface Intake {
  /** A body as POST /v1/generations takes it. @throws Refusal with the fields that are wrong */
  read(body: unknown): GenerationRequest
  /**
   * Starts a generation, or finds the one its idempotency key started. Nothing is bought where it throws.
   * @param request as it was sent: what a key is sent with again is compared with it
   * @throws Refusal · IdempotencyMismatch
   */
  begin(request: GenerationRequest, key: string | null, idempotencyKey?: string, more?: IntakeExtras): Promise<Begun>
  /** The generation once it has ended or `waitMs` is over; null where there is none. @throws HttpProblem where the caller's key ends first */
  wait(id: string, waitMs: number): Promise<GenerationRecord | null>
}

export interface Begun {
  readonly id: string
  /** It was begun before, under the same idempotency key. */
  readonly replayed: boolean
  /** As it is on disk, until the next turn of the event loop; absent where it may have changed since it was written, or was not begun here. */
  readonly record?: GenerationRecord
}

/** What a compatible API knows beyond a request. */
export interface IntakeExtras {
  /** What it could not express; they stay with the generation. */
  readonly warnings?: readonly Warning[]
  /** Who is sent the end, in that API's own format. Refused as `webhook.url` where its address may not be reached. */
  readonly webhook?: WebhookTarget | null
  /** Names the request in the log where it did not come as one HTTP request of its own. */
  readonly requestId?: string
  /** The comparison it is part of. */
  readonly comparison?: string
  /**
   * Makes the request whole where what was sent says less than a request must: asked once, and only where its idempotency key has begun
   * nothing, since what it reads may be gone or another by the next time. @throws Refusal
   */
  readonly complete?: () => Promise<Completed>
}

export interface Completed {
  readonly request: GenerationRequest
  /** Instead of those it was begun with. */
  readonly warnings: readonly Warning[]
}

export interface IntakeDependencies {
  readonly requestSchema: RequestSchema
  readonly accept: Pick<Accept, 'prepare'>
  readonly idempotency: Idempotency
  readonly run: Pick<Run, 'accept' | 'wait'>
  /** Of open generations. */
  readonly limit: GenerationLimit
  readonly countPurchases: CountPurchases
}

export function createIntake({ requestSchema, accept, idempotency, run, limit, countPurchases }: IntakeDependencies): Intake {
  async function prepare(
    sent: GenerationRequest,
    key: string | null,
    { warnings: known = [], webhook, comparison, complete, requestId = currentRequestId() }: IntakeExtras,
  ) {
    const traceparent = currentTraceparent()
    limit.admit(key)
    const { request, warnings } = (await complete?.()) ?? { request: sent, warnings: known }
    const record = await accept.prepare(webhook ? { ...request, webhook: { url: webhook.url } } : request, key)
    // A comparison has counted all of its own at once.
    if (comparison === undefined) await countPurchases(key, request.n ?? 1)
    if (warnings.length > 0) record.warnings = [...record.warnings, ...warnings]
    const target = webhook ?? record.webhook
    const askedAt = askedOrigin()
    return {
      ...record,
      ...(target ? { webhook: { ...target, ...(askedAt === undefined ? {} : { askedAt }) } } : {}),
      ...(comparison === undefined ? {} : { comparison }),
      ...(traceparent === undefined ? {} : { traceparent }),
      ...(requestId === undefined ? {} : { requestId }),
    }
  }

  /** Others may have come while references were read, so that it is asked again. */
  const accepted = (record: GenerationRecord, entry: IdempotencyEntry | null): Promise<void> =>
    run.accept(record, entry, limit.admit(record.key)).catch(limit.rethrow)

  /** What an earlier version began, whose idempotency keys were of the request alone: the same where the same webhook is sent its end. */
  async function begunEarlier(
    request: GenerationRequest,
    key: string | null,
    idempotencyKey: string,
    { webhook }: IntakeExtras,
    mismatch: unknown,
  ): Promise<Begun> {
    if (!(mismatch instanceof IdempotencyMismatch) || !webhook) throw mismatch
    const before = await idempotency.once(scopesOf(key).generations, idempotencyKey, hashOfBody(request as Json), () =>
      Promise.reject(mismatch),
    )
    const target = (await run.wait(before.id, 0))?.webhook
    if (!target || hashOfBody(receiverOf(target)) !== hashOfBody(receiverOf(webhook))) throw mismatch
    return before
  }

  return {
    read(body) {
      const judged = judge(requestSchema, body)
      if (judged.kind === 'right') return judged.value as GenerationRequest
      throw invalidRequest(judged.objections)
    },
    async begin(request, key, idempotencyKey, more = {}) {
      if (idempotencyKey === undefined) {
        const record = await prepare(request, key, more)
        await accepted(record, null)
        return { id: record.id, replayed: false, ...(isOnItsWay(record) ? { record } : {}) }
      }
      const begun = idempotency.once(scopesOf(key).generations, idempotencyKey, hashOfBody(asWritten(request, more)), async (entry) => {
        const record = await prepare(request, key, more)
        await accepted(record, { ...entry, generationId: record.id })
        return record
      })
      return begun.catch((error: unknown) => begunEarlier(request, key, idempotencyKey, more, error))
    },
    wait: (id, waitMs) => (waitMs > 0 ? whileKeyCounts(run.wait(id, waitMs)) : run.wait(id, waitMs)),
  }
}

/** With who is to be sent the end, where a compatible API asked for it: that is no field of ours, and as much a part of the body. */
function asWritten(request: GenerationRequest, { webhook }: IntakeExtras): Json {
  return webhook ? { request: request as Json, webhook: receiverOf(webhook) } : (request as Json)
}

const receiverOf = ({ format, url, context }: WebhookTarget): Json => ({ format, url, context })

/** Each submit is on its way, and was written: until a reply comes nothing changes. */
const isOnItsWay = ({ attempts }: GenerationRecord): boolean => attempts.every(({ status }) => status === 'submitting')
