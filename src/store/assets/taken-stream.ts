import { Readable } from 'node:stream'

/** How long nothing may be taken before a connection is given back. */
const PAUSED_MS = 2_000

/** The bytes from `start` up to and with `end`, on a connection that others wait for too. */
export interface Fetched {
  readonly stream: Readable
  readonly start: number
  readonly end: number
}

/**
 * These bytes as a stream that holds a connection only while somebody takes them: where nothing is taken for a while, the connection is given
 * back, and what is left is fetched once it is asked for. A caller who reads nothing costs a bucket nothing.
 * @param again fetches what is left from `start`; rejects where it is gone
 */
export function takenStream({ stream: first, start, end }: Fetched, again: (start: number) => Promise<Readable>): Readable {
  let stream = first
  let isGivenBack = false
  const giveBack = (): void => {
    isGivenBack = true
    stream.destroy()
  }
  let pause = setTimeout(giveBack, PAUSED_MS)

  async function* taken(): AsyncGenerator<Buffer> {
    clearTimeout(pause)
    for (let at = start; at <= end;) {
      if (isGivenBack) stream = await again(at)
      isGivenBack = false
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        at += chunk.length
        pause = setTimeout(giveBack, PAUSED_MS)
        yield chunk
        clearTimeout(pause)
        if (isGivenBack) break
      }
      if (!isGivenBack) return
    }
  }

  const whole = Readable.from(taken(), { objectMode: false })
  // The generator itself ends only once what it waits for has come.
  return whole.once('close', () => {
    clearTimeout(pause)
    stream.destroy()
  })
}
