import type { GenerationRequest, Json, Warning } from '#contract'
import type { GenerationRecord } from '../core/records.ts'
import type { Accept } from '../core/generation/accept.ts'
import type { Run } from '../core/generation/run.ts'
import { hashOfBody } from '../core/generation/idempotency.ts'
import type { Idempotency } from '../core/generation/idempotency.ts'
import { invalidRequest } from './invalid-request.ts'
import type { RequestSchema } from './request-schema.ts'

/** The one way in, whatever the door: validated, planned, accepted, awaited. */
export interface Intake {
  /** A body as POST /v1/generations takes it. @throws Refusal with the fields that are wrong */
  read(body: unknown): GenerationRequest
  /**
   * Starts a generation, or finds the one its idempotency key started. Nothing is bought where it throws.
   * @param warnings what a door could not express; they stay with the generation
   * @throws Refusal · IdempotencyMismatch
   */
  begin(
    request: GenerationRequest,
    key: string | null,
    idempotencyKey?: string,
    warnings?: readonly Warning[],
  ): Promise<{ readonly id: string; readonly replayed: boolean }>
  /** The generation once it has ended or `waitMs` is over; null where there is none. */
  wait(id: string, waitMs: number): Promise<GenerationRecord | null>
}

export interface IntakeDependencies {
  readonly requestSchema: RequestSchema
  readonly accept: Accept
  readonly idempotency: Idempotency
  readonly run: Run
}

export function createIntake({ requestSchema, accept, idempotency, run }: IntakeDependencies): Intake {
  return {
    read(body) {
      const parsed = requestSchema.safeParse(body)
      if (parsed.success) return parsed.data as GenerationRequest
      throw invalidRequest(parsed.error.issues)
    },
    async begin(request, key, idempotencyKey, warnings = []) {
      const prepare = async (): Promise<GenerationRecord> => {
        const record = await accept.prepare(request, key)
        record.warnings.push(...warnings)
        return record
      }
      if (idempotencyKey === undefined) {
        const record = await prepare()
        await run.accept(record, null)
        return { id: record.id, replayed: false }
      }
      return idempotency.once(key ?? '', idempotencyKey, hashOfBody(request as Json), async (entry) => {
        const record = await prepare()
        await run.accept(record, { ...entry, generationId: record.id })
        return record
      })
    },
    wait: (id, waitMs) => run.wait(id, waitMs),
  }
}
