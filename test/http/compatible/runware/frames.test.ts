import { describe, expect, test } from 'vitest'
import { createFrames } from '../../../../src/http/compatible/runware/frames.ts'

/** A client of which `unread` bytes wait, before a clock that the test moves by its one timer. */
function client() {
  const timers: (() => void)[] = []
  const socket = {
    readyState: 1,
    bufferedAmount: 0,
    sent: 0,
    isCutOff: false,
    send() {
      socket.sent += 1
    },
    terminate() {
      socket.isCutOff = true
      socket.readyState = 3
    },
  }
  const after = (_ms: number, then: () => void) => {
    timers.push(then)
    return () => {}
  }
  const minute = () => timers.splice(0).forEach((then) => then())
  return { socket, send: createFrames(socket, { after }), minute }
}

describe('a WebSocket', () => {
  test('whose reader takes nothing for a minute is cut off', () => {
    const { socket, send, minute } = client()
    socket.bufferedAmount = 100
    send({})
    minute()
    expect(socket.isCutOff).toBe(true)
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

  test('of which more than 16 MiB wait is cut off, and nothing more is sent', () => {
    const { socket, send } = client()
    socket.bufferedAmount = 17 * 1_024 * 1_024
    send({})
    expect([socket.isCutOff, socket.sent]).toEqual([true, 0])
  })
})
