import type { FastifyReply, FastifyRequest } from 'fastify'
import { generationError, isTerminal } from '#contract'
import type { Generation, GenerationRequest } from '#contract'
import type { GenerationRecord } from '../../../core/records.ts'
import type { Assets, Clock } from '../../../core/ports.ts'
import type { PartialView } from '../../../core/generation/watchers.ts'
import { forThisRequest } from '../../request-context.ts'
import { orderedImages } from '../../../core/plan/delivery.ts'
import { viewOf } from '../../../core/present/generation.ts'
import { HttpProblem } from '../../http-problem.ts'
import { createInlineImages } from '../../inline-images.ts'
import type { InlineImages } from '../../inline-images.ts'
import type { Intake } from '../../intake.ts'
import { holdStream } from '../../limits/limits.ts'
import type { Limits } from '../../limits/limits.ts'
import { loggedProblem } from '../../problem.ts'
import { OpenaiRefusal, reworded, sendProblem } from './error-handler.ts'
import { openStream } from './events.ts'
import type { OpenStream, StreamDependencies } from './events.ts'
import { generationHeaders } from '../generation-headers.ts'
import { linkInstead, toCompletedEvents, toImagesResponse, toPartialEvent, wantsBytes } from './images-response.ts'
import type { CompletedEvent, PartialImageEvent, Route } from './images-response.ts'
import { brokenProblem, failureProblem, refusal, unfinishedProblem } from './problems.ts'
import type { OpenaiProblem } from './problems.ts'
import type { Translation, Wanted } from './to-request.ts'
import { createUndelivered } from './undelivered.ts'
import type { Undelivered } from './undelivered.ts'

export interface OpenaiDependencies extends StreamDependencies {
  readonly intake: Pick<Intake, 'read' | 'begin' | 'wait'>
  readonly assets: Pick<Assets, 'open' | 'read'>
  readonly limits: Pick<Limits, 'takeStream'>
  readonly clock: Pick<Clock, 'now' | 'monotonicMs' | 'after'>
  readonly bodyLimitBytes: number
  /** The providers of a model, as a body names it, that can show images on their way. */
  readonly partialImagesAt: (model: string) => readonly string[]
}

/** OpenAI's SDKs give up after ten minutes; the answer that names the generation has to reach them before. */
const WAIT_MS = 590_000

/** So long a stream is held back, so that what ends early still gets its own HTTP status and headers. */
const HOLD_BACK_MS = 10_000

type Accepted = Extract<Translation, { kind: 'request' }>

export type Answer = (request: FastifyRequest, reply: FastifyReply, route: Route, translation: Accepted) => Promise<FastifyReply>

type End =
  | { readonly kind: 'succeeded'; readonly generation: Generation; readonly record: GenerationRecord }
  | { readonly kind: 'failed'; readonly generation: Generation; readonly problem: OpenaiProblem }

/** From a translated request to the end of its answer. */
export function createAnswer(deps: OpenaiDependencies): Answer {
  const undelivered = createUndelivered(deps.clock)
  return async (request, reply, route, translation) => {
    if (translation.wanted.stream) holdStream(deps.limits, request, reply)
    const begun = await begin(deps, undelivered, request, translation).catch((error: unknown) => {
      throw new OpenaiRefusal(reworded(loggedProblem(error, request), translation.written))
    })
    const { id, replayed } = begun
    onHangUp(reply, begun.keepForRepeat)
    reply.headers({ 'x-request-id': id, 'x-imagegate-generation-id': id, ...(replayed ? { 'idempotent-replayed': 'true' } : {}) })
    const task: Task = { ...begun, deps, request, reply, route, wanted: translation.wanted }
    try {
      return translation.wanted.stream ? await streamed(task) : await whole(task)
    } catch (error) {
      if (error instanceof HttpProblem) throw error
      return sendProblem(reply, broken(task, error))
    }
  }
}

interface Begun {
  readonly id: string
  readonly replayed: boolean
  /** The caller sent an Idempotency-Key. */
  readonly isKeyed: boolean
  /** The answer did not reach the caller: the same request will find this generation again. */
  readonly keepForRepeat: () => void
}

/** A begun generation whose end is to be answered. */
interface Task extends Begun {
  readonly deps: OpenaiDependencies
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly route: Route
  readonly wanted: Wanted
}

async function begin(
  { intake }: OpenaiDependencies,
  undelivered: Undelivered,
  request: FastifyRequest,
  { request: body, warnings }: Accepted,
): Promise<Begun> {
  const normalized: GenerationRequest = intake.read(body)
  const scope = request.gatewayKey ?? ''
  const idempotencyKey = (request.headers as { readonly 'idempotency-key'?: string })['idempotency-key']
  const isKeyed = idempotencyKey !== undefined
  const earlier = isKeyed ? null : undelivered.take(scope, normalized)
  const { id, replayed } =
    earlier === null ? await intake.begin(normalized, request.gatewayKey, idempotencyKey, { warnings }) : { id: earlier, replayed: true }
  const keepForRepeat = () => {
    if (!isKeyed) undelivered.add(scope, normalized, id)
  }
  return { id, replayed, isKeyed, keepForRepeat }
}

async function whole(task: Task): Promise<FastifyReply> {
  const { reply, route, wanted, deps } = task
  const end = await endWithin(task, WAIT_MS)
  if (end === null) {
    task.keepForRepeat()
    return sendProblem(reply, unfinishedProblem(task.id))
  }
  if (end.kind === 'failed') return sendProblem(reply.headers(generationHeaders(end.generation)), end.problem)
  const images = createInlineImages(deps.assets)
  const base64 = wantsBytes(wanted, route) ? await Promise.all(orderedImages(end.record).map(images.inBase64)) : []
  const asLinks = base64.includes(null) ? [linkInstead()] : []
  return images.send(reply.headers(generationHeaders(end.generation, asLinks)), toImagesResponse(end.generation, wanted, base64))
}

async function streamed(task: Task): Promise<FastifyReply> {
  const { reply, id, deps } = task
  const partials = partialsOf(task)
  const images = createInlineImages(deps.assets)
  try {
    // The first image on its way opens the stream before its time: what ends so late has been taken on.
    const early = await Promise.race([endWithin(task, HOLD_BACK_MS), partials.begun])
    if (early) reply.headers(generationHeaders(early.generation))
    const result = early ? await eventsOf(early, task, images) : null
    if (result && 'body' in result) return sendProblem(reply, result)
    const stream = openStream(reply, id, deps)
    partials.showAt(stream)
    await stream.end(result ?? (await lateEvents(task, images)), images)
    return reply
  } finally {
    partials.stop()
  }
}

/** Images on their way, from now on; those that come before there is a stream wait for it. */
function partialsOf({ deps, id, route, wanted }: Task) {
  const begun = Promise.withResolvers<null>()
  const waiting: PartialImageEvent[] = []
  let stream: OpenStream | null = null
  const show = (partial: PartialView) => {
    const event = toPartialEvent(partial, route)
    if (stream) stream.partial(event)
    else waiting.push(event)
    begun.resolve(null)
  }
  const stop = wanted.partialImages ? deps.run.watchPartials(id, forThisRequest(show)) : () => {}
  return {
    begun: begun.promise,
    stop,
    showAt(opened: OpenStream) {
      stream = opened
      for (const event of waiting.splice(0)) opened.partial(event)
    },
  }
}

/** Never rejects: the headers are sent. */
async function lateEvents(task: Task, images: InlineImages): Promise<readonly CompletedEvent[] | OpenaiProblem> {
  try {
    const end = await endWithin(task, WAIT_MS - HOLD_BACK_MS)
    if (end === null) task.keepForRepeat()
    return end === null ? unfinishedProblem(task.id) : await eventsOf(end, task, images)
  } catch (error) {
    // Its key has ended, and so has the stream.
    return error instanceof HttpProblem ? brokenProblem(task.id) : broken(task, error)
  }
}

function broken({ request, id, keepForRepeat }: Task, error: unknown): OpenaiProblem {
  request.log.error({ request_id: request.id, err: error, generation: id }, 'a generation could not be answered')
  keepForRepeat()
  return brokenProblem(id)
}

/** Calls back where the line is cut before the answer has gone out whole. */
function onHangUp(reply: FastifyReply, callback: () => void): void {
  const { raw } = reply
  if (raw.destroyed) return callback()
  raw.once('close', () => {
    if (!raw.writableFinished) callback()
  })
}

async function endWithin({ deps, id, isKeyed }: Task, waitMs: number): Promise<End | null> {
  const record = await deps.intake.wait(id, waitMs)
  if (!record || !isTerminal(record.status)) return null
  const generation = viewOf(record, deps.links)
  if (record.status === 'succeeded') return { kind: 'succeeded', generation, record }
  const error = record.error ?? generationError({ code: 'internal', message: 'it ended without an error', billed: 'unknown' }, null)
  return { kind: 'failed', generation, problem: failureProblem(error, record.id, isKeyed) }
}

async function eventsOf(end: End, { route }: Task, images: InlineImages): Promise<readonly CompletedEvent[] | OpenaiProblem> {
  if (end.kind === 'failed') return end.problem
  const { generation, record } = end
  const base64 = await Promise.all(orderedImages(record).map(images.inBase64))
  if (!base64.includes(null)) return toCompletedEvents(generation, route, base64)
  const message = `The images are not stored here, so they cannot be streamed. GET /v1/generations/${generation.id} has their links.`
  return refusal('invalid_request', message, { param: 'stream', as: 'images_not_stored' })
}
