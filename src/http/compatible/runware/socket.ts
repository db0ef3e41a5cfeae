import type { JsonObject } from '#contract'
import { hashOfKey } from '../../auth.ts'
import type { KeyNames } from '../../auth.ts'
import { decodeUtf8, readJson } from '../../read-body.ts'
import { isObject } from './checks.ts'
import { errorItem } from './items.ts'
import { authenticated } from './perform.ts'
import type { Perform } from './perform.ts'
import { INVALID_KEY } from './task-error.ts'

/** What is used of a WebSocket. */
export interface Socket {
  readonly readyState: number
  send(text: string): void
  /** One buffer for each message: the connection is opened so. */
  on(event: 'message', listener: (data: Uint8Array) => void): void
}

const OPEN = 1
/** Longer than any generation may take. */
const WAIT_MS = 24 * 60 * 60_000
export const MAX_TASKS = 100

export interface SocketOptions {
  readonly perform: Perform
  readonly keyNames: KeyNames
  /** The bearer token of the upgrade request, where there is one. */
  readonly token: string | null
  /** The SDK's `dryRun`: nothing may be bought. */
  readonly isDryRun: boolean
}

/**
 * One connection of the SDK: arrays of tasks come in, and each task's results go out by themselves as they finish, so that several
 * tasks run side by side. An error frame is about one task only: the SDK hands its first entry to whoever waits.
 */
export function serveSocket(socket: Socket, { perform, keyNames, token, isDryRun }: SocketOptions): void {
  let keyHash = token === null ? null : hashOfKey(token)

  const sendFrame = (frame: object): void => {
    if (socket.readyState === OPEN) socket.send(JSON.stringify(frame))
  }

  /** Asked anew for each message: a key may be withdrawn while the connection stands. `undefined`: no valid key. */
  const keyName = (): string | null | undefined => {
    const names = keyNames()
    if (names.size === 0) return null
    return keyHash === null ? undefined : names.get(keyHash)
  }

  const authenticate = (task: JsonObject): void => {
    if (typeof task['apiKey'] === 'string') keyHash = hashOfKey(task['apiKey'])
    sendFrame(keyName() === undefined ? { errors: [INVALID_KEY] } : { data: [authenticated(task)] })
  }

  const take = (task: JsonObject): void => {
    if (task['taskType'] === 'authentication') return authenticate(task)
    const key = keyName()
    if (key === undefined && task['taskType'] !== 'ping') {
      return sendFrame({ errors: [errorItem({ ...INVALID_KEY }, task['taskUUID'], task['taskType'])] })
    }
    if (isDryRun && task['taskType'] === 'imageInference') {
      const message = 'This server has no dry run; POST /v1/quotes answers with prices and buys nothing.'
      return sendFrame({ errors: [errorItem({ code: 'unsupportedParameter', message, parameter: 'dryRun' }, task['taskUUID'])] })
    }
    void perform(task, {
      key: key ?? null,
      waitMs: WAIT_MS,
      send: ({ data, errors }) => {
        if (data.length > 0) sendFrame({ data })
        for (const error of errors) sendFrame({ errors: [error] })
      },
    })
  }

  socket.on('message', (message) => {
    const tasks = readTasks(message)
    if (tasks) tasks.forEach(take)
    else sendFrame({ errors: [{ code: 'invalidPayload', message: `Send a JSON array, in UTF-8, of 1 to ${MAX_TASKS} task objects.` }] })
  })
}

function readTasks(message: Uint8Array): readonly JsonObject[] | null {
  try {
    return tasksOf(readJson(decodeUtf8(message)))
  } catch {
    return null
  }
}

/** The tasks of an array; null where it is none, or too long. */
export function tasksOf(body: unknown): readonly JsonObject[] | null {
  const isWithinBounds = Array.isArray(body) && body.length > 0 && body.length <= MAX_TASKS
  return isWithinBounds && body.every(isObject) ? body : null
}
