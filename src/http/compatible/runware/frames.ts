import type { Clock, InPieces } from '../../../core/ports.ts'
import type { InlineImages } from '../../inline-images.ts'
import type { Taken } from '../../limits/limits.ts'
import { countUnread } from './unread.ts'

/** One part of a message that is sent in parts; `fin` with its last one. */
export interface MessagePart {
  readonly fin: boolean
  readonly binary: false
}

/** What is used of a WebSocket to send. */
interface Sending {
  readonly readyState: number
  /** What was sent and not yet taken by the other side. */
  readonly bufferedAmount: number
  send(part: string | Uint8Array, of: MessagePart, sent: () => void): void
  terminate(): void
  on(event: 'close', listener: () => void): void
}

const OPEN = 1
const WHOLE: MessagePart = { binary: false, fin: true }
const MOST_UNREAD_BYTES = 16 * 1_024 * 1_024
const UNREAD_MS = 60_000

/**
 * Sends frames to a client that reads them; one that does not is cut off, and finds its results with getResponse. A frame with images in
 * base64 is made while it is sent, in parts of one message; the frames after it wait.
 * @param take counts bytes that wait for the client
 * @returns sends one; `images` are those whose marks stand in it
 */
export function createFrames(
  socket: Sending,
  clock: Pick<Clock, 'after'>,
  take: (bytes: number) => Taken,
): (frame: object, images?: Pick<InlineImages, 'write'>) => void {
  const waiting: (string | InPieces)[] = []
  let waitingChars = 0
  let isSending = false
  let partsTaken = 0
  let isWatched = false

  const unreadBytes = (): number => {
    const { bufferedAmount: buffered } = socket
    return buffered + waitingChars
  }
  const unread = countUnread(unreadBytes, take)
  socket.on('close', unread.end)

  function watch(): void {
    if (isWatched || unreadBytes() === 0) return
    isWatched = true
    const [before, takenBefore] = [unreadBytes(), partsTaken]
    clock.after(UNREAD_MS, () => {
      isWatched = false
      if (socket.readyState !== OPEN) return
      if (unreadBytes() >= before && partsTaken === takenBefore) socket.terminate()
      else watch()
    })
  }

  function sendWhole(text: string): void {
    socket.send(text, WHOLE, unread.count)
    watch()
  }

  async function sendInParts({ pieces }: InPieces): Promise<void> {
    const part = (piece: string | Uint8Array, fin: boolean): Promise<void> =>
      new Promise((resolve) => {
        socket.send(piece, { binary: false, fin }, resolve)
        watch()
      })
    for await (const piece of pieces()) {
      if (socket.readyState !== OPEN) return
      await part(piece, false)
      partsTaken += 1
    }
    await part('', true)
  }

  async function sendWaiting(): Promise<void> {
    isSending = true
    for (let next = waiting.shift(); next !== undefined && socket.readyState === OPEN; next = waiting.shift()) {
      if (typeof next === 'string') {
        waitingChars -= next.length
        sendWhole(next)
        // What was begun cannot be taken back: the client sees that it breaks off.
      } else await sendInParts(next).catch(() => socket.terminate())
    }
    isSending = false
  }

  return (frame, images) => {
    if (socket.readyState !== OPEN) return
    if (unreadBytes() > MOST_UNREAD_BYTES || !unread.count()) return socket.terminate()
    const written = images?.write(frame) ?? JSON.stringify(frame)
    if (!isSending && typeof written === 'string') return sendWhole(written)
    waiting.push(written)
    if (typeof written === 'string') waitingChars += written.length
    if (!isSending) void sendWaiting()
  }
}
