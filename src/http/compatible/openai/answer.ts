import type { FastifyReply, FastifyRequest } from 'fastify'
import { generationError, isTerminal } from '#contract'
import type { Generation } from '#contract'
import type { GenerationRecord } from '../../../core/records.ts'
import type { Assets } from '../../../core/ports.ts'
import { viewOf } from '../../../core/present/generation.ts'
import type { AppDependencies } from '../../app.ts'
import { sendProblem } from './error-handler.ts'
import { openStream, sendEvents } from './event-stream.ts'
import type { OpenStream } from './event-stream.ts'
import { generationHeaders } from '../generation-headers.ts'
import { linkInstead, toCompletedEvents, toImagesResponse, wantsBytes } from './images-response.ts'
import type { CompletedEvent, Route } from './images-response.ts'
import { brokenProblem, failureProblem, refusal, unfinishedProblem } from './problems.ts'
import type { OpenaiProblem } from './problems.ts'
import type { Translation } from './to-request.ts'
import { createUndelivered } from './undelivered.ts'

export type DoorDependencies = Pick<AppDependencies, 'intake' | 'run' | 'assets' | 'clock' | 'publicUrl' | 'bodyLimitBytes'>

/** OpenAI's SDKs give up after ten minutes; the answer that names the generation has to reach them before. */
const WAIT_MS = 590_000

/** So long a stream is held back, so that what ends early still gets its own HTTP status and headers. */
const HOLD_BACK_MS = 10_000

export type Answer = (
  request: FastifyRequest,
  reply: FastifyReply,
  route: Route,
  translation: Extract<Translation, { kind: 'request' }>,
) => Promise<FastifyReply>

type End =
  | { readonly kind: 'succeeded'; readonly generation: Generation; readonly record: GenerationRecord }
  | { readonly kind: 'failed'; readonly generation: Generation; readonly problem: OpenaiProblem }

/** From a translated request to the end of its answer. */
export function createAnswer(deps: DoorDependencies): Answer {
  const { intake, clock, assets } = deps
  const undelivered = createUndelivered(clock)

  return async (request, reply, route, { request: body, warnings, wanted }) => {
    const normalized = intake.read(body)
    const scope = request.gatewayKey ?? ''
    const idempotencyKey = (request.headers as { readonly 'idempotency-key'?: string })['idempotency-key']
    const isKeyed = idempotencyKey !== undefined
    const earlier = isKeyed ? null : undelivered.take(scope, normalized)
    const { id, replayed } =
      earlier === null ? await intake.begin(normalized, request.gatewayKey, idempotencyKey, warnings) : { id: earlier, replayed: true }

    const keepForRepeat = () => {
      if (!isKeyed) undelivered.add(scope, normalized, id)
    }
    onHangUp(reply, keepForRepeat)
    reply.headers({ 'x-request-id': id, 'x-imagegate-generation-id': id, ...(replayed ? { 'idempotent-replayed': 'true' } : {}) })

    const endWithin = async (waitMs: number): Promise<End | null> => {
      const record = await intake.wait(id, waitMs)
      return record && isTerminal(record.status) ? endOf(record, deps.publicUrl(), isKeyed) : null
    }

    const whole = async (): Promise<FastifyReply> => {
      const end = await endWithin(WAIT_MS)
      if (end === null) {
        keepForRepeat()
        return sendProblem(reply, unfinishedProblem(id))
      }
      if (end.kind === 'failed') return sendProblem(reply.headers(generationHeaders(end.generation)), end.problem)
      const base64 = wantsBytes(wanted, route) ? await readImages(assets, end.record) : []
      const asLinks = base64.includes(null) ? [linkInstead()] : []
      return reply.headers(generationHeaders(end.generation, asLinks)).send(toImagesResponse(end.generation, wanted, base64))
    }

    const streamed = async (): Promise<FastifyReply> => {
      const early = await endWithin(HOLD_BACK_MS)
      if (early?.kind === 'failed') return sendProblem(reply.headers(generationHeaders(early.generation)), early.problem)
      if (early) {
        const result = await eventsOf(early, route, assets)
        const ready = reply.headers(generationHeaders(early.generation))
        return 'body' in result ? sendProblem(ready, result) : sendEvents(ready, result)
      }
      await finish(openStream(reply, id, deps))
      return reply
    }

    const finish = async (open: OpenStream): Promise<void> => {
      try {
        const end = await endWithin(WAIT_MS - HOLD_BACK_MS)
        if (end === null) keepForRepeat()
        open.end(end === null ? unfinishedProblem(id) : await eventsOf(end, route, assets))
      } catch (error) {
        request.log.error({ err: error, generation: id }, 'a generation could not be answered')
        keepForRepeat()
        open.end(brokenProblem(id))
      }
    }

    try {
      return wanted.stream ? await streamed() : await whole()
    } catch (error) {
      request.log.error({ err: error, generation: id }, 'a generation could not be answered')
      keepForRepeat()
      return sendProblem(reply, brokenProblem(id))
    }
  }
}

/** Calls back where the line is cut before the answer has gone out whole. */
function onHangUp(reply: FastifyReply, callback: () => void): void {
  const { raw } = reply
  if (raw.destroyed) return callback()
  raw.once('close', () => {
    if (!raw.writableFinished) callback()
  })
}

function endOf(record: GenerationRecord, publicUrl: string, isKeyed: boolean): End {
  const generation = viewOf(record, publicUrl)
  if (record.status === 'succeeded') return { kind: 'succeeded', generation, record }
  const error = record.error ?? generationError({ code: 'internal', message: 'it ended without an error', billed: 'unknown' }, null)
  return { kind: 'failed', generation, problem: failureProblem(error, record.id, isKeyed) }
}

async function eventsOf(end: End, route: Route, assets: Pick<Assets, 'read'>): Promise<readonly CompletedEvent[] | OpenaiProblem> {
  if (end.kind === 'failed') return end.problem
  const { generation, record } = end
  const base64 = await readImages(assets, record)
  if (!base64.includes(null)) return toCompletedEvents(generation, route, base64)
  const message = `The images are not stored here, so they cannot be streamed. GET /v1/generations/${generation.id} has their links.`
  return refusal('invalid_request', message, { param: 'stream', as: 'images_not_stored' })
}

/** The bytes of each image in base64, null where they are not stored here. */
const readImages = (assets: Pick<Assets, 'read'>, record: GenerationRecord): Promise<(string | null)[]> =>
  Promise.all(
    record.images.map(async ({ sha256, format }) => {
      if (sha256 === null || format === null) return null
      return (await assets.read(sha256, format))?.toString('base64') ?? null
    }),
  )
