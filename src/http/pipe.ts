import type { GenerationRecord, GenerationRequest, Json, Warning } from '#contract'
import type { Accept } from '../run/accept.ts'
import type { Run } from '../run/generate.ts'
import { hashOfBody } from '../run/idempotency.ts'
import type { Idempotency } from '../run/idempotency.ts'
import { invalidRequest } from './invalid-request.ts'
import type { RequestSchema } from './request-schema.ts'

/** The one way in, whatever the door: validated, planned, accepted, awaited. */
export interface Pipe {
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

export interface PipeDependencies {
  readonly requestSchema: RequestSchema
  readonly accept: Accept
  readonly idempotency: Idempotency
  readonly run: Run
}

export function createPipe({ requestSchema, accept, idempotency, run }: PipeDependencies): Pipe {
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
