import type { Readable } from 'node:stream'
import type { JsonObject } from '#contract'
import type { Assets, Clock, Log } from '../../../core/ports.ts'
import { EVERYBODY, MOST_BYTES_OF_A_STRANGER } from '../../access.ts'
import type { Caller, KeyRing } from '../../access.ts'
import type { HttpProblem } from '../../http-problem.ts'
import { errorItem } from './items.ts'
import type { Limits, Taken } from '../../limits/limits.ts'
import { tooMuch } from '../../limits/refusal.ts'
import type { Exceeded } from '../../limits/refusal.ts'
import { createFrames } from './frames.ts'
import { FramesIn } from './frames-in.ts'
import type { MessagePart } from './frames.ts'
import { createMessages } from './messages.ts'
import { countOnTheirWay } from './on-their-way.ts'
import { authenticated, problemOfTask } from './perform.ts'
import { createInlineImages } from '../../inline-images.ts'
import type { Perform } from './perform.ts'
import { errorsOfProblem, INVALID_KEY } from './task-error.ts'
import { forThisRequest, workForKey } from '../../request-context.ts'

/** What is used of a WebSocket. */
export interface Socket {
  readonly readyState: number
  /** What was sent and not yet taken by the other side. */
  readonly bufferedAmount: number
  close(): void
  send(part: string | Uint8Array, of: MessagePart, sent: () => void): void
  terminate(): void
  pause(): void
  resume(): void
  /** One buffer for each message: the connection is opened so. */
  on(event: 'message', listener: (data: Buffer) => void): void
  on(event: 'close', listener: () => void): void
}

/** Of `readyState`. */
const OPEN = 1
/** Longer than any generation may take. */
const WAIT_MS = 24 * 60 * 60_000
/** How long a connection may stand without a key. */
const STRANGER_MS = 15_000
/** How long whoever sends too much has to read why. */
const REFUSED_MS = 500

export interface SocketOptions {
  readonly perform: Perform
  readonly assets: Pick<Assets, 'open' | 'read'>
  readonly keys: KeyRing
  /** The key of the upgrade request, where there is one. */
  readonly secret: string | null
  /** The SDK's `dryRun`: nothing may be bought. */
  readonly isDryRun: boolean
  readonly clock: Pick<Clock, 'after'>
  readonly log: Pick<Log, 'error'>
  readonly limits: Pick<Limits, 'takeStream'>
  /** Counts bytes of a key on their way. */
  readonly takeBytes: (key: string | null, bytes: number) => Taken
  /** The bytes below the frames. */
  readonly raw: Pick<Readable, 'on' | 'off'>
}

/**
 * One connection of the SDK: arrays of tasks come in, and each task's results go out by themselves as they finish, so that several
 * tasks run side by side. An error frame is about one task only: the SDK hands its first entry to whoever waits.
 */
export function serveSocket(socket: Socket, options: SocketOptions): void {
  const { perform, assets, keys, limits, secret, isDryRun, clock, raw, takeBytes } = options
  let shown = secret

  /** Asked anew for each message: a key may be withdrawn while the connection stands. Null: no valid key. */
  const caller = (): Caller | null => {
    if (!keys.isOn()) return EVERYBODY
    return shown === null ? null : keys.identify(shown)
  }
  const sendFrame = createFrames(socket, clock, (bytes) => takeBytes(caller()?.key ?? null, bytes))
  const known = caller()
  let isFirstCounted = known !== null
  if (known === null) closeUnlessKnown(socket, raw, clock, () => caller() !== null)
  const key = createKeyOfSocket(socket, keys, sendFrame)
  if (known !== null) key.follow(shown, known)

  const refuse = ({ details }: Pick<HttpProblem, 'details'>, task: JsonObject): void =>
    sendFrame({ errors: errorsOfProblem(details, task).map((error) => errorItem(error, task['taskUUID'], task['taskType'])) })

  const end = (exceeded: Exceeded, task: JsonObject): void => {
    refuse(tooMuch(exceeded), task)
    socket.close()
  }
  const isAdmitted = createAdmission(socket, limits, end)

  if (known !== null) isAdmitted(known, {})

  const authenticate = async (task: JsonObject): Promise<void> => {
    if (typeof task['apiKey'] === 'string') shown = task['apiKey']
    const asker = caller()
    if (asker === null) return key.refuse()
    key.follow(shown, asker)
    if (!isAdmitted(asker, task)) return
    // Of a key that came with the request to open the connection, that one counted.
    const isCounted = isFirstCounted && asker.key === known?.key
    isFirstCounted = false
    const over = isCounted ? undefined : await keys.overRate(asker)
    if (over) refuse(over, task)
    else sendFrame({ data: [authenticated(task)] })
  }

  const take = async (task: JsonObject): Promise<void> => {
    // What comes behind the end would be bought and answered to nobody.
    if (socket.readyState !== OPEN) return
    if (task['taskType'] === 'authentication') return authenticate(task)
    const asker = caller()
    if (asker === null && task['taskType'] !== 'ping') return sendFrame({ errors: [wrongKeyOf(task)] })
    if (isDryRun && task['taskType'] === 'imageInference') return sendFrame({ errors: [errorItem(NO_DRY_RUN, task['taskUUID'])] })
    if (asker === null) return admitted(task, EVERYBODY)
    if (!isAdmitted(asker, task)) return
    const proved = shown
    await workForKey({ key: asker.key, untilKeyEnds: (end) => keys.whileValid(proved, asker, end) }, () => admitted(task, asker))
  }

  const admitted = async (task: JsonObject, asker: Caller): Promise<void> => {
    const images = createInlineImages(assets)
    await perform(task, {
      caller: asker,
      isOnSocket: true,
      overRate: () => keys.overRate(asker),
      inBase64: images.inBase64,
      waitMs: WAIT_MS,
      send: ({ data, errors }) => {
        if (data.length > 0) sendFrame({ data }, images)
        for (const error of errors) sendFrame({ errors: [error] })
      },
    })
  }

  takeMessages(socket, options, { caller, take, leftOf: refuseBesideWrongKey(keys, sendFrame), refuse, end, sendFrame })
}

const NO_DRY_RUN = {
  code: 'unsupportedParameter',
  message: 'This server has no dry run; POST /v1/quotes answers with prices and buys nothing.',
  parameter: 'dryRun',
} as const
const wrongKeyOf = ({ taskUUID, taskType }: JsonObject) => errorItem({ ...INVALID_KEY }, taskUUID, taskType)

/** A wrong key may end the connection: nothing that comes with it in one message is begun. */
function refuseBesideWrongKey(keys: Pick<KeyRing, 'isOn' | 'identify'>, sendFrame: Conversation['sendFrame']): Conversation['leftOf'] {
  const isWrongKey = ({ taskType, apiKey }: JsonObject): boolean =>
    taskType === 'authentication' && typeof apiKey === 'string' && keys.isOn() && keys.identify(apiKey) === null

  return (tasks) => {
    const wrong = new Set(tasks.filter(isWrongKey))
    if (wrong.size === 0) return tasks
    for (const task of tasks) if (!wrong.has(task)) sendFrame({ errors: [wrongKeyOf(task)] })
    return [...wrong]
  }
}

/** What a connection does with what it is sent. */
interface Conversation {
  readonly caller: () => Caller | null
  readonly take: (task: JsonObject) => Promise<void>
  /** Of the tasks of one message those that are to be taken; the others are refused. */
  readonly leftOf: (tasks: readonly JsonObject[]) => readonly JsonObject[]
  readonly refuse: (problem: Pick<HttpProblem, 'details'>, task: JsonObject) => void
  readonly end: (exceeded: Exceeded, task: JsonObject) => void
  readonly sendFrame: (frame: object) => void
}

function takeMessages(
  socket: Socket,
  { raw, clock, log, takeBytes }: SocketOptions,
  { caller, take, leftOf, refuse, end, sendFrame }: Conversation,
): void {
  const sender = (): string | null => caller()?.key ?? null
  const hasCome = countOnTheirWay({
    raw,
    socket,
    take: (bytes) => takeBytes(sender(), bytes),
    onTooMany: (exceeded) => {
      end(exceeded, {})
      socket.pause()
      clock.after(REFUSED_MS, () => socket.terminate())
    },
  })
  const receive = createMessages(socket, {
    // A rate that cannot be asked for, since the database is away, is an answer as well.
    onTasks: (tasks) =>
      Promise.all(leftOf(tasks).map((task) => take(task).catch((error: unknown) => refuse({ details: problemOfTask(error, log) }, task)))),
    onUnreadable: (errors) => sendFrame({ errors }),
    sender,
    hasCome,
  })
  socket.on('message', forThisRequest(receive))
}

/** Whoever mistypes a key may try another. */
const MOST_WRONG_KEYS = 4

/** The key that a connection has proved: the connection ends where that key does, or where another is tried that is none. */
function createKeyOfSocket(socket: Socket, keys: Pick<KeyRing, 'whileValid'>, sendFrame: (frame: object) => void) {
  let stopWatching: (() => void) | null = null
  let wrong = 0
  const refuse = (): void => {
    // Of a message of many only the first ones are answered.
    if (++wrong > MOST_WRONG_KEYS) return
    sendFrame({ errors: [INVALID_KEY] })
    if (stopWatching !== null || wrong === MOST_WRONG_KEYS) socket.close()
  }
  socket.on('close', () => stopWatching?.())
  return {
    refuse,
    follow(secret: string | null, asker: Caller): void {
      stopWatching?.()
      stopWatching = keys.whileValid(secret, asker, refuse)
    },
  }
}

/** A connection counts from when its caller is known, for the key that has signed in last; until then it has 15 s. */
function createAdmission(
  socket: Socket,
  limits: Pick<Limits, 'takeStream'>,
  refuse: (exceeded: Exceeded, task: JsonObject) => void,
): (asker: Caller, task: JsonObject) => boolean {
  let counted: { readonly key: string | null; readonly release: () => void } | null = null
  let isClosed = false
  socket.on('close', () => {
    isClosed = true
    counted?.release()
  })
  return ({ key }, task) => {
    if (counted?.key === key) return true
    const taken = limits.takeStream(key)
    if (taken.kind === 'refused') {
      refuse(taken.exceeded, task)
      return false
    }
    if (isClosed) taken.release()
    else {
      counted?.release()
      counted = { key, release: taken.release }
    }
    return true
  }
}

/** A stranger signs in with one message of one frame. */
const MOST_FRAMES_OF_A_STRANGER = 64

/** A connection that shows no key is closed after 15 s, or once it has sent more than a stranger may. */
function closeUnlessKnown(socket: Socket, raw: SocketOptions['raw'], clock: Pick<Clock, 'after'>, isKnown: () => boolean): void {
  let bytes = 0
  const frames = new FramesIn()
  const count = (chunk: Buffer): void => {
    bytes += chunk.length
    frames.pass(chunk)
    if (bytes <= MOST_BYTES_OF_A_STRANGER && frames.count <= MOST_FRAMES_OF_A_STRANGER) return
    if (isKnown()) raw.off('data', count)
    else socket.terminate()
  }
  raw.on('data', count)
  const stopTimer = clock.after(STRANGER_MS, () => {
    if (!isKnown()) socket.terminate()
  })
  socket.on('close', stopTimer)
}
