import type { IncomingMessage } from 'node:http'
import { readNoMore } from './close-unread.ts'
import type { ProblemDetails } from './http-problem.ts'

/** So many chunks of any size: clients that write a body as they make it send some of a few bytes. */
const FREE_CHUNKS = 512
/** Beyond those, chunks have so many bytes on average. */
const LEAST_BYTES = 64

export const TOO_MANY_CHUNKS: ProblemDetails = {
  code: 'invalid_request',
  detail: `The body comes in too many small chunks: beyond ${FREE_CHUNKS}, chunks must have ${LEAST_BYTES} bytes on average. Send it in larger ones, or with its Content-Length.`,
}

/**
 * Bounds the chunks of a body. Each costs thousands of times what its byte does, and memory in every stream on its way: 64 KiB of the network
 * can be 11,000 of them, which Node hands over in one turn. Nothing is kept of what comes behind the last one that counts, and nothing more is read.
 * @param refuse called once
 */
export function boundChunks(request: IncomingMessage, refuse: () => void): void {
  const push = request.push.bind(request)
  let [chunks, bytes] = [0, 0]
  request.push = (chunk: Buffer | null) => {
    if (chunk !== null) {
      chunks += 1
      bytes += chunk.length
      if (chunks > FREE_CHUNKS + bytes / LEAST_BYTES) {
        request.push = () => true
        readNoMore(request.socket)
        refuse()
        return true
      }
    }
    return push(chunk)
  }
}
