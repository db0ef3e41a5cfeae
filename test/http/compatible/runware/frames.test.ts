import { describe, expect, test } from 'vitest'
import { createFrames } from '../../../../src/http/compatible/runware/frames.ts'
import type { MessagePart } from '../../../../src/http/compatible/runware/frames.ts'
import type { Taken } from '../../../../src/http/limits/limits.ts'
import { createOpenCount } from '../../../../src/http/limits/open-count.ts'

/** A client of which `unread` bytes wait, before a clock that the test moves by its one timer. */
function client(take: (bytes: number) => Taken = () => ({ kind: 'taken', release: () => {} })) {
  const timers: (() => void)[] = []
  const socket = {
    readyState: 1,
    bufferedAmount: 0,
    sent: 0,
    isCutOff: false,
    said: [] as string[],
    /** Called once the other side has taken a part. */
    taken: [] as (() => void)[],
    send(text: string | Uint8Array, of?: MessagePart, sent?: () => void) {
      socket.sent += 1
      socket.said.push(`${Buffer.from(text).toString()}${of?.fin === false ? ' …' : ''}`)
      if (sent !== undefined) socket.taken.push(sent)
    },
    closed: () => {},
    on(_event: 'close', listener: () => void) {
      socket.closed = listener
    },
    terminate() {
      socket.isCutOff = true
      socket.readyState = 3
      socket.closed()
    },
  }
  const after = (_ms: number, then: () => void) => {
    timers.push(then)
    return () => {}
  }
  const minute = () => timers.splice(0).forEach((then) => then())
  return { socket, send: createFrames(socket, { after }, take), minute }
}

describe('a WebSocket', () => {
  test('whose reader takes nothing for a minute is cut off', () => {
    const { socket, send, minute } = client()
    socket.bufferedAmount = 100
    send({})
    minute()
    expect(socket.isCutOff).toBe(true)
  })

  test('counts what is not read among the bytes of all, is cut off where they are too many, and gives them back as they are read or it ends', () => {
    const count = createOpenCount()
    const exceeded = { kind: 'refused', exceeded: { of: 'all', what: 'bytes', most: 0 } } as unknown as Taken
    const take = (bytes: number): Taken => {
      const release = count.take('', bytes, 1_048_576)
      return release === null ? exceeded : { kind: 'taken', release }
    }
    const [first, second] = [client(take), client(take)]
    for (const { socket, send } of [first, second]) {
      socket.bufferedAmount = 786_432
      send({})
    }
    expect([first.socket.isCutOff, second.socket.isCutOff, count.of('')]).toEqual([false, true, 786_432])
    first.socket.bufferedAmount = 0
    first.socket.taken.shift()?.()
    expect(count.of('')).toBe(0)
  })

  test('whose reader is slow and reads is kept', () => {
    const { socket, send, minute } = client()
    socket.bufferedAmount = 100
    send({})
    socket.bufferedAmount = 50
    minute()
    socket.bufferedAmount = 0
    minute()
    expect([socket.isCutOff, socket.sent]).toEqual([false, 1])
  })

  test('sends a frame with an image in parts, each once the one before it was taken, and other frames after it', async () => {
    const { socket, send } = client()
    const inPieces = { bytes: 6, pieces: async function* () { yield* ['abc', 'def'].map((text) => Buffer.from(text)) } } // prettier-ignore
    send({ of: 'an image' }, { write: () => inPieces })
    send({ of: 'another task' })
    const next = async (): Promise<void> => {
      socket.taken.shift()?.()
      await new Promise((resolve) => setImmediate(resolve))
    }
    await next()
    expect(socket.said).toEqual(['abc …'])
    await next()
    await next()
    expect(socket.said).toEqual(['abc …', 'def …', ''])
    await next()
    expect(socket.said).toEqual(['abc …', 'def …', '', '{"of":"another task"}'])
  })

  test('whose reader takes one part in a minute is kept, and one whose image cannot be read to its end is cut off', async () => {
    const { socket, send, minute } = client()
    const brokenAfterOne = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.from('abc')
      throw new Error('it went')
    }
    socket.bufferedAmount = 100
    send({}, { write: () => ({ bytes: 6, pieces: brokenAfterOne }) })
    await new Promise((resolve) => setImmediate(resolve))
    expect(socket.said).toEqual(['abc …'])
    socket.taken.shift()?.()
    await new Promise((resolve) => setImmediate(resolve))
    expect(socket.isCutOff).toBe(true)
    socket.isCutOff = false
    socket.readyState = 1
    minute()
    expect(socket.isCutOff).toBe(false)
  })

  test('of which more than 16 MiB wait is cut off, and nothing more is sent', () => {
    const { socket, send } = client()
    socket.bufferedAmount = 17 * 1_024 * 1_024
    send({})
    expect([socket.isCutOff, socket.sent]).toEqual([true, 0])
  })
})
