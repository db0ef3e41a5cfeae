import { randomUUID } from 'node:crypto'
import { isTerminal } from '#contract'
import type { Generation, JsonObject } from '#contract'
import type { GenerationRecord } from '../../../core/records.ts'
import { viewOf } from '../../../core/present/generation.ts'
import type { AppDependencies } from '../../app.ts'
import type { Courier } from '../courier.ts'
import { dollarsLeft } from '../dollars-left.ts'
import type { BudgetLeft } from '../dollars-left.ts'
import { exactNumber } from '../exact-number.ts'
import { isUuid } from './checks.ts'
import { deliveredImages, errorItem, imageItem, processingItems, undelivered } from './items.ts'
import type { Item } from './items.ts'
import { errorsOfRefusal, invalid, missing, TASK_NOT_FOUND } from './task-error.ts'
import type { TaskError } from './task-error.ts'
import { soldModel, toRequest, wantedOf } from './to-request.ts'
import type { Wanted } from './to-request.ts'

/** A part of a task's answer: what came together belongs together. */
export interface Part {
  readonly data: readonly Item[]
  readonly errors: readonly Item[]
}

/** Who asks, and how the answer goes out. */
export interface Asker {
  /** Name of the gateway key; null where none are configured. */
  readonly key: string | null
  /** How long a synchronous result is waited for. */
  readonly waitMs: number
  readonly tell: (part: Part) => void
}

/** Does one task of an array and tells its answer, in one part or, as images finish, in several. Gives the generation it is about. */
export type Perform = (task: JsonObject, asker: Asker) => Promise<Generation | null>

export type PerformDependencies = Pick<
  AppDependencies,
  'intake' | 'run' | 'store' | 'assets' | 'models' | 'providers' | 'publicUrl' | 'log'
> & { readonly budgetLeft?: BudgetLeft | undefined; readonly courier: Courier | null }

const WEBHOOK_WAIT_MS = 24 * 60 * 60_000
const TASK_TYPES = 'imageInference, getResponse, accountManagement, authentication and ping'

export function createPerform(deps: PerformDependencies): Perform {
  const { intake, run, store, models, log } = deps
  const toItem = (record: GenerationRecord, image: GenerationRecord['images'][number], wanted: Wanted) =>
    imageItem(record, image, wanted, { publicUrl: deps.publicUrl(), assets: deps.assets })
  const shown = (record: GenerationRecord) => viewOf(record, deps.publicUrl())

  async function infer(task: JsonObject, asker: Asker): Promise<Generation | null> {
    const { taskUUID, model: name } = task
    if (!isUuid(taskUUID)) return refuse(task, asker, [taskUuidProblem(taskUUID)])
    if (name === undefined) return refuse(task, asker, [missing('model')])
    const model = typeof name === 'string' ? soldModel(models.list(), name) : null
    if (!model) return refuse(task, asker, [invalid('model', `there is no model ${JSON.stringify(name).slice(0, 100)}`)])
    const translated = toRequest(task, taskUUID, model)
    if (translated.kind === 'refused') return refuse(task, asker, translated.errors)
    const { request, warnings, wanted, isAsync, webhookUrl } = translated
    const { courier } = deps
    if (webhookUrl !== null && courier === null) {
      const message = 'This server delivers no webhooks; ask with getResponse.'
      return refuse(task, asker, [{ code: 'unsupportedParameter', message, parameter: 'webhookURL' }])
    }
    const { id, replayed } = await intake.begin(intake.read(request), asker.key, idempotencyKeyOf(taskUUID), warnings)
    if (webhookUrl !== null && courier && !replayed) {
      const deliver = (item: Item) => courier({ url: webhookUrl, body: JSON.stringify(item), headers: {} }, id)
      const tell = ({ data, errors }: Part) => [...data, ...errors].forEach(deliver)
      follow(id, wanted, { tell, waitMs: WEBHOOK_WAIT_MS }).catch((error: unknown) =>
        log.error({ generation: id, err: error }, 'a webhook could not be prepared'),
      )
    }
    if (!isAsync) return follow(id, wanted, asker)
    asker.tell({ data: [{ taskType: 'imageInference', taskUUID }], errors: [] })
    const record = await store.generation(id)
    return record ? shown(record) : null
  }

  /** Tells images as they are stored, then what failed. */
  async function follow(id: string, wanted: Wanted, { tell, waitMs }: Pick<Asker, 'tell' | 'waitMs'>): Promise<Generation | null> {
    const told = new Set<string>()
    let telling = Promise.resolve()
    const tellNew = (record: GenerationRecord): void => {
      const fresh = deliveredImages(record).filter((image) => !told.has(image.id))
      if (fresh.length === 0) return
      for (const image of fresh) told.add(image.id)
      telling = tellAfter(telling, record, fresh)
    }
    // Never rejects: nobody looks at it before the generation has ended.
    const tellAfter = async (earlier: Promise<void>, record: GenerationRecord, fresh: GenerationRecord['images']): Promise<void> => {
      await earlier
      try {
        tell({ data: await Promise.all(fresh.map((image) => toItem(record, image, wanted))), errors: [] })
      } catch (error) {
        log.error({ generation: id, err: error }, 'an image could not be told')
        tell({ data: [], errors: [errorItem(UNTOLD, wanted.taskUUID)] })
      }
    }
    const stop = run.watch(id, tellNew)
    const record = await intake.wait(id, waitMs).finally(stop)
    if (!record) throw new Error(`generation ${id} is not in the store`)
    tellNew(record)
    await telling
    const errors = isTerminal(record.status) ? undelivered(record, wanted) : [errorItem(stillRunning(waitMs), wanted.taskUUID)]
    // An error ends the task for the client, so all of them are in the last part.
    if (errors.length > 0) tell({ data: [], errors })
    return shown(record)
  }

  async function getResponse(task: JsonObject, asker: Asker): Promise<Generation | null> {
    const { taskUUID } = task
    if (!isUuid(taskUUID)) return refuse(task, asker, [taskUuidProblem(taskUUID)])
    const entry = await store.idempotency(asker.key ?? '', idempotencyKeyOf(taskUUID))
    const record = entry ? await store.generation(entry.generationId) : null
    if (!record) return refuse(task, asker, [TASK_NOT_FOUND])
    const wanted = wantedOf(record, taskUUID)
    const finished = await Promise.all(deliveredImages(record).map((image) => toItem(record, image, wanted)))
    const data = [...finished.map((item) => ({ ...item, status: 'success' })), ...processingItems(record, wanted)]
    asker.tell({ data, errors: undelivered(record, wanted) })
    return shown(record)
  }

  async function account(task: JsonObject, asker: Asker): Promise<null> {
    const { taskType, taskUUID, operation } = task
    if (operation !== 'getDetails') return refuse(task, asker, [invalid('operation', 'it must be getDetails')])
    const dollars = await dollarsLeft(deps, asker.key)
    const balance = dollars === null ? {} : { balance: exactNumber(dollars) }
    asker.tell({ data: [{ taskType, taskUUID, operation, organizationName: asker.key ?? 'imagegate', ...balance }], errors: [] })
    return null
  }

  function dispatch(task: JsonObject, asker: Asker): Promise<Generation | null> {
    switch (task['taskType']) {
      case 'imageInference':
        return infer(task, asker)
      case 'getResponse':
        return getResponse(task, asker)
      case 'accountManagement':
        return account(task, asker)
      case 'authentication':
        asker.tell({ data: [authenticated(task)], errors: [] })
        return Promise.resolve(null)
      case 'ping':
        asker.tell({ data: [{ taskType: 'ping', pong: true }], errors: [] })
        return Promise.resolve(null)
      default:
        return Promise.resolve(refuse(task, asker, [invalid('taskType', `this server takes ${TASK_TYPES}`)]))
    }
  }

  return async (task, asker) => {
    try {
      return await dispatch(task, asker)
    } catch (error) {
      const errors = errorsOfRefusal(error)
      if (errors) return refuse(task, asker, errors)
      log.error({ err: error }, 'a task failed unexpectedly')
      const message = 'An unexpected error; getResponse tells whether the task was taken.'
      return refuse(task, asker, [{ code: 'internalServerError', message }])
    }
  }
}

/** The caller's own id of the task keeps it from being bought twice. */
const idempotencyKeyOf = (taskUUID: string): string => `runware:${taskUUID.toLowerCase()}`

const taskUuidProblem = (taskUUID: unknown): TaskError =>
  taskUUID === undefined ? missing('taskUUID') : invalid('taskUUID', 'it must be a UUID v4')

const UNTOLD: TaskError = {
  code: 'internalServerError',
  message: 'An image was made and could not be read; ask again with getResponse.',
}

const stillRunning = (waitMs: number): TaskError => ({
  code: 'timeoutResponse',
  message: `The task still runs after ${Math.round(waitMs / 1000)} s and goes on; getResponse with its taskUUID tells the result.`,
})

function refuse({ taskUUID, taskType }: JsonObject, { tell }: Asker, errors: readonly TaskError[]): null {
  tell({ data: [], errors: errors.map((error) => errorItem(error, taskUUID, taskType)) })
  return null
}

/** A session that is named again is continued; there is nothing in it but its name. */
export function authenticated({ connectionSessionUUID: session }: JsonObject): Item {
  return { taskType: 'authentication', connectionSessionUUID: isUuid(session) ? session : randomUUID() }
}
