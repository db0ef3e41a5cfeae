import { isObject } from '#contract'
import type { JsonObject } from '#contract'
import { release } from '../../../reading/held-bytes.ts'
import { littleTurn } from '../../../reading/turn-share.ts'
import { readMessage } from '../../read-body.ts'
import { toProblem } from '../../to-problem.ts'
import { errorsOfBody } from './task-error.ts'
import type { TaskError } from './task-error.ts'

export const MAX_TASKS = 100

/** What is used of a WebSocket to read. */
interface Receiving {
  pause(): void
  resume(): void
}

/** Whose turn it is where no keys are on: connections have it in the order of their messages, each with one at a time, and all together as one caller. */
const MESSAGES = 'messages'

export interface MessageListeners {
  /** The tasks of one message; the images in them are held until all is done. */
  readonly onTasks: (tasks: readonly JsonObject[]) => Promise<unknown>
  readonly onUnreadable: (errors: readonly TaskError[]) => void
  /** Who sends them, as far as is known now. */
  readonly sender: () => string | null
  /** Asked for each message: what gives back what it counted on its way, once it was read. */
  readonly hasCome: () => () => void
}

/** Reads messages in the order they came, however long each is; nothing more is taken from the connection while one is read. */
export function createMessages(socket: Receiving, { onTasks, onUnreadable, sender, hasCome }: MessageListeners): (message: Buffer) => void {
  let unread = 0
  let before: Promise<void> = Promise.resolve()

  async function read(message: Buffer, wasRead: () => void): Promise<void> {
    try {
      await littleTurn(sender() ?? MESSAGES, message.length)
      const { value, standIns } = await readMessage(message, sender() ?? MESSAGES)
      const done = takeTasks(tasksOf(value))
      void done.finally(() => standIns.forEach(release))
    } catch (error) {
      onUnreadable(error instanceof SyntaxError ? NO_TASKS : errorsOfMessage(error))
    } finally {
      wasRead()
      unread -= 1
      if (unread === 0) socket.resume()
    }
  }

  async function takeTasks(tasks: readonly JsonObject[] | null): Promise<void> {
    if (tasks === null) onUnreadable(NO_TASKS)
    else await onTasks(tasks)
  }

  return (message) => {
    if (unread === 0) socket.pause()
    unread += 1
    const wasRead = hasCome()
    before = before.then(() => read(message, wasRead))
  }
}

const unreadable = (message: string): readonly TaskError[] => [{ code: 'invalidPayload', message }]
const NO_TASKS = unreadable(`Send a JSON array, in UTF-8, of 1 to ${MAX_TASKS} task objects.`)

function errorsOfMessage(error: unknown): readonly TaskError[] {
  const problem = toProblem(error)
  return errorsOfBody(problem) ?? unreadable(problem.detail)
}

/** The tasks of an array; null where it is none, or too long. */
export function tasksOf(body: unknown): readonly JsonObject[] | null {
  const isWithinBounds = Array.isArray(body) && body.length > 0 && body.length <= MAX_TASKS
  return isWithinBounds && body.every(isObject) ? body : null
}
