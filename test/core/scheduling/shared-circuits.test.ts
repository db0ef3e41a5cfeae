import { describe, expect, test } from 'vitest'
import type { KeptBreaker, NodeMessage } from '../../../src/core/nodes.ts'
import { createBreakers } from '../../../src/core/scheduling/circuit-breaker.ts'
import { StoreError } from '../../../src/core/ports.ts'

const COOL_DOWN_MS = 30_000

/** Processes with one store: what is kept is kept for all, and all hear of it. */
function processes(count: number) {
  let monotonicMs = 5_000
  const timers = new Set<{ readonly atMs: number; readonly callback: () => void }>()
  const rows = new Map<string, KeptBreaker>()
  const listeners = new Set<(message: NodeMessage) => void>()
  const state = { isAway: false }
  const settled = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  const pass = async (ms: number): Promise<void> => {
    monotonicMs += ms
    for (const timer of timers) {
      if (timer.atMs > monotonicMs) continue
      timers.delete(timer)
      timer.callback()
    }
    await settled()
  }
  const probes: number[] = []
  const ends: { readonly by: number; readonly end: (isMended: boolean) => void }[] = []
  const all = Array.from({ length: count }, (_, index) => {
    // Each has a clock of its own that began at another moment.
    const clock = {
      now: () => 1_700_000_000_000 + monotonicMs,
      monotonicMs: () => monotonicMs + index * 1_000_000,
      after(delayMs: number, callback: () => void) {
        const timer = { atMs: monotonicMs + delayMs, callback }
        timers.add(timer)
        return () => void timers.delete(timer)
      },
    }
    return createBreakers({
      clock,
      log: { warn() {}, info() {} },
      settings: () => ({ faults: 3, coolDownMs: COOL_DOWN_MS }),
      probe() {
        probes.push(index)
        return new Promise((resolve) => ends.push({ by: index, end: resolve }))
      },
      nodes: {
        onMessage: (listener) => void listeners.add(listener),
        breakers: async () => [...rows.values()],
        async keepBreaker({ provider, version, state: kept }) {
          if (state.isAway) throw new StoreError('unreachable', 'the store is away')
          if ((rows.get(provider)?.version ?? 0) !== version) return false
          rows.set(provider, { provider, version: version + 1, state: kept })
          listeners.forEach((listener) => listener({ kind: 'breaker', provider }))
          return true
        },
      },
    })
  })
  const fault = (index: number): void => all[index]?.observer.submitted('alpha', 'provider_unavailable')
  return { all, fault, probes, ends, pass, settled, state, states: () => all.map((one) => one.state('alpha')) }
}

describe('breakers of processes that share a store', () => {
  test('count the faults of all, also those of one moment, each once', async () => {
    const { all, fault, settled, states } = processes(3)
    fault(0)
    fault(1)
    await settled()
    expect([states(), all.map((one) => one.failuresInARow('alpha'))]).toEqual([
      ['closed', 'closed', 'closed'],
      [2, 2, 2],
    ])
    fault(2)
    await settled()
    expect(states()).toEqual(['open', 'open', 'open'])
    expect(new Set(all.map((one) => one.nextTryAt('alpha'))).size).toBe(1)
  })

  test('are probed by one process, and by another one where that one is gone before its probe has ended', async () => {
    const { fault, probes, ends, pass, settled, states, all } = processes(3)
    for (const index of [0, 1, 2]) fault(index)
    await settled()
    await pass(COOL_DOWN_MS)
    expect(probes).toHaveLength(1)
    all[probes[0] ?? 0]?.close()
    await pass(14_000)
    expect(probes).toHaveLength(1)
    await pass(1_500)
    expect(probes).toHaveLength(2)
    expect(probes[1]).not.toBe(probes[0])
    ends[1]?.end(true)
    await settled()
    expect(states().filter((state) => state === 'half_open')).toHaveLength(2)
  })

  test('let one trial through, and close together', async () => {
    const { all, fault, ends, pass, settled, states } = processes(2)
    for (const index of [0, 1, 0]) fault(index)
    await settled()
    await pass(COOL_DOWN_MS)
    ends[0]?.end(true)
    await settled()
    await pass(1_500)
    expect(all.map((one) => one.pause('alpha'))).toEqual([null, null])
    all[1]?.submitting('alpha')
    await settled()
    expect(all.map((one) => one.pause('alpha')?.reason)).toEqual(
      Array.from({ length: 2 }, () => expect.stringContaining('one request is trying')),
    )
    all[1]?.observer.submitted('alpha', null)
    await settled()
    expect([states(), all.map((one) => one.pause('alpha'))]).toEqual([
      ['closed', 'closed'],
      [null, null],
    ])
  })

  test('judge by themselves while the store is away, and say afterwards what happened', async () => {
    const { fault, pass, settled, state, states } = processes(2)
    state.isAway = true
    for (let count = 0; count < 3; count++) fault(0)
    await settled()
    expect(states()).toEqual(['open', 'closed'])
    state.isAway = false
    await pass(1_000)
    expect(states()).toEqual(['open', 'open'])
  })
})
