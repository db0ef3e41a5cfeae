import { randomUUID } from 'node:crypto'
import { bareNumber } from '#contract'
import type { Generation, JsonObject } from '#contract'
import type { Log, Store } from '../../../core/ports.ts'
import { viewOf } from '../../../core/present/generation.ts'
import { refusalOfScope } from '../../access.ts'
import type { Caller } from '../../access.ts'
import { modelsFor } from '../../listed-for.ts'
import type { ModelSource } from '../../api/models.ts'
import type { HttpProblem, ProblemDetails } from '../../http-problem.ts'
import type { Intake } from '../../intake.ts'
import type { Limits } from '../../limits/limits.ts'
import { tooMuch } from '../../limits/refusal.ts'
import { toProblem } from '../../to-problem.ts'
import { dollarsLeft } from '../dollars-left.ts'
import type { BalanceSources } from '../dollars-left.ts'
import { isUuid } from './checks.ts'
import { follow } from './follow.ts'
import type { Follower, FollowDependencies } from './follow.ts'
import { deliveredImages, errorItem, imageItem, processingItems, undelivered } from './items.ts'
import type { Item } from './items.ts'
import { errorsOfProblem, invalid, missing, TASK_NOT_FOUND } from './task-error.ts'
import type { TaskError } from './task-error.ts'
import { soldModel, toRequest, wantedOf } from './to-request.ts'
import { webhookTarget } from './webhook.ts'

/** Who asks, and how the answer goes out. `waitMs` is how long a synchronous result is waited for. */
export interface Asker extends Follower {
  readonly caller: Caller
  /** Many tasks come by one request, so each names its own lines in the log. */
  readonly isOnSocket?: boolean
  /** Counts the task against the rate of its key, where that was not done with the request. */
  readonly overRate?: () => Promise<HttpProblem | undefined>
}

/** Does one task of an array and sends its answer, in one part or, as images finish, in several. Gives the generation it is about. */
export type Perform = (task: JsonObject, asker: Asker) => Promise<Generation | null>

export interface PerformDependencies extends FollowDependencies, BalanceSources {
  readonly intake: Pick<Intake, 'read' | 'begin' | 'wait'>
  readonly store: Pick<Store, 'generation' | 'idempotency'>
  readonly models: ModelSource
  readonly limits: Pick<Limits, 'takeTask'>
}

const TASK_TYPES = 'imageInference, getResponse, accountManagement, authentication and ping'

export function createPerform(deps: PerformDependencies): Perform {
  const dispatch = async (task: JsonObject, asker: Asker): Promise<Generation | null> => {
    switch (task['taskType']) {
      case 'imageInference':
        return infer(deps, task, asker)
      case 'getResponse':
        return getResponse(deps, task, asker)
      case 'accountManagement':
        return account(deps, task, asker)
      case 'authentication':
        asker.send({ data: [authenticated(task)], errors: [] })
        return null
      case 'ping':
        asker.send({ data: [{ taskType: 'ping', pong: true }], errors: [] })
        return null
      default:
        return refuse(task, asker, [invalid('taskType', `this server takes ${TASK_TYPES}`)])
    }
  }

  return async (task, asker) => {
    const refused = (error: unknown) => refuse(task, asker, errorsOfProblem(problemOfTask(error, deps.log), task))
    // One task may be sent again and again while it waits, on one connection too.
    const taken = deps.limits.takeTask(asker.caller.key)
    if (taken.kind === 'refused') return refused(tooMuch(taken.exceeded))
    try {
      const over = await asker.overRate?.()
      return over ? refused(over) : await dispatch(task, asker)
    } catch (error) {
      return refused(error)
    } finally {
      taken.release()
    }
  }
}

/** Whatever kept a task from being done is an answer to it; what nobody expected is logged. */
export function problemOfTask(error: unknown, log: Pick<Log, 'error'>): ProblemDetails {
  const problem = toProblem(error)
  if (problem.code === 'internal') log.error({ err: error }, 'a task failed unexpectedly')
  return problem
}

async function infer(deps: PerformDependencies, task: JsonObject, asker: Asker): Promise<Generation | null> {
  const { intake, models } = deps
  const tooSmall = refusalOfScope(asker.caller, 'write')
  if (tooSmall) throw tooSmall
  const { taskUUID, model: name } = task
  if (!isUuid(taskUUID)) return refuse(task, asker, [taskUuidProblem(taskUUID)])
  if (name === undefined) return refuse(task, asker, [missing('model')])
  const model = typeof name === 'string' ? soldModel(modelsFor(models, asker.caller).list(), name) : null
  if (!model) return refuse(task, asker, [invalid('model', `there is no model ${JSON.stringify(name).slice(0, 100)}`)])
  const translated = toRequest(task, taskUUID, model)
  if (translated.kind === 'refused') return refuse(task, asker, translated.errors)
  const { request, warnings, wanted, isAsync, receivers } = translated
  const webhook = webhookTarget(receivers)
  const { id } = await intake.begin(intake.read(request), asker.caller.key, idempotencyKeyOf(taskUUID), {
    warnings,
    webhook,
    ...(asker.isOnSocket === true ? { requestId: taskUUID } : {}),
  })
  if (!isAsync) return follow(deps, id, wanted, asker)
  asker.send({ data: [{ taskType: 'imageInference', taskUUID }], errors: [] })
  // It is accepted: who gets an error sends it again, perhaps under another id. This is for headers alone.
  const record = await intake.wait(id, 0).catch(() => null)
  return record && viewOf(record, deps.links)
}

async function getResponse(deps: PerformDependencies, task: JsonObject, asker: Asker): Promise<Generation | null> {
  const { store, links } = deps
  const { taskUUID } = task
  if (!isUuid(taskUUID)) return refuse(task, asker, [taskUuidProblem(taskUUID)])
  const entry = await store.idempotency(asker.caller.key ?? '', idempotencyKeyOf(taskUUID))
  const record = entry ? await store.generation(entry.generationId) : null
  if (!record) return refuse(task, asker, [TASK_NOT_FOUND])
  const wanted = wantedOf(record, taskUUID)
  const finished = await Promise.all(
    deliveredImages(record).map((image) => imageItem(record, image, wanted, { links, inBase64: asker.inBase64 })),
  )
  const data = [...finished.map((item) => ({ ...item, status: 'success' })), ...processingItems(record, wanted)]
  asker.send({ data, errors: undelivered(record, wanted) })
  return viewOf(record, deps.links)
}

async function account(deps: PerformDependencies, task: JsonObject, asker: Asker): Promise<null> {
  const { taskType, taskUUID, operation } = task
  if (operation !== 'getDetails') return refuse(task, asker, [invalid('operation', 'it must be getDetails')])
  const dollars = await dollarsLeft(deps, asker.caller)
  const balance = dollars === null ? {} : { balance: bareNumber(dollars) }
  asker.send({ data: [{ taskType, taskUUID, operation, organizationName: asker.caller.key ?? 'imagegate', ...balance }], errors: [] })
  return null
}

/** The caller's own id of the task keeps it from being bought twice. */
const idempotencyKeyOf = (taskUUID: string): string => `runware:${taskUUID.toLowerCase()}`

const taskUuidProblem = (taskUUID: unknown): TaskError =>
  taskUUID === undefined ? missing('taskUUID') : invalid('taskUUID', 'it must be a UUID')

function refuse({ taskUUID, taskType }: JsonObject, { send }: Asker, errors: readonly TaskError[]): null {
  send({ data: [], errors: errors.map((error) => errorItem(error, taskUUID, taskType)) })
  return null
}

/** A session that is named again is continued; there is nothing in it but its name. */
export function authenticated({ connectionSessionUUID: session }: JsonObject): Item {
  return { taskType: 'authentication', connectionSessionUUID: isUuid(session) ? session : randomUUID() }
}
