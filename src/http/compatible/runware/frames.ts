import type { Clock } from '../../../core/ports.ts'

/** What is used of a WebSocket to send. */
interface Sending {
  readonly readyState: number
  /** What was sent and not yet taken by the other side. */
  readonly bufferedAmount: number
  send(text: string): void
  terminate(): void
}

const OPEN = 1
/** A result may hold images in base64, so one frame alone may be longer. */
const MOST_UNREAD_BYTES = 16 * 1_024 * 1_024
const UNREAD_MS = 60_000

/** Sends frames to a client that reads them; one that does not is cut off, and finds its results with getResponse. */
export function createFrames(socket: Sending, clock: Pick<Clock, 'after'>): (frame: object) => void {
  const unreadBytes = (): number => socket.bufferedAmount
  let isWatched = false

  function watch(): void {
    if (isWatched || unreadBytes() === 0) return
    isWatched = true
    const before = unreadBytes()
    clock.after(UNREAD_MS, () => {
      isWatched = false
      if (socket.readyState !== OPEN) return
      if (unreadBytes() >= before) socket.terminate()
      else watch()
    })
  }

  return (frame) => {
    if (socket.readyState !== OPEN) return
    if (unreadBytes() > MOST_UNREAD_BYTES) return socket.terminate()
    socket.send(JSON.stringify(frame))
    watch()
  }
}
