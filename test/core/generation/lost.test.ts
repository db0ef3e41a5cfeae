import { describe, expect, test } from 'vitest'
import type { NodeMessage, Nodes } from '../../../src/core/nodes.ts'
import { StoreError } from '../../../src/core/ports.ts'
import type { Downloaded, Sent, Store } from '../../../src/core/ports.ts'
import { createWorld, image, onDisk, pending, planned, runFor, settled } from './world.ts'

/** As many links of one key as are fetched at once. */
const FETCHED_AT_ONCE = 16

const silent = (): Sent | Promise<Sent> => new Promise<Sent>(() => {})
const withLink = (provider: string, name: string) => ({
  ...planned([provider]),
  key: 'buyer',
  references: [{ kind: 'url' as const, url: `https://slow.example/${name}`, pixels: null }],
})

/** One of several processes; the test says what the others say. */
function sharedStore() {
  const { store } = createWorld({ script: silent })
  const listeners: ((message: NodeMessage) => void)[] = []
  const nodes: Partial<Nodes> = {
    onMessage: (listener) => void listeners.push(listener),
    say: async () => {},
    slotsElsewhere: () => 0,
    waitForSlots: () => {},
  }
  const say = (message: NodeMessage): void => listeners.forEach((listener) => listener(message))
  return { store: { ...store, nodes: nodes as Nodes } as Store, say }
}

describe('a generation that another process has taken over', () => {
  test('is ended by that one alone, though its link waited behind others of its key here', async () => {
    const { store, say } = sharedStore()
    const ends: ((downloaded: Downloaded) => void)[] = []
    const download = () => new Promise<Downloaded>((resolve) => ends.push(resolve))
    const world = createWorld({ store, maxInFlight: 1, script: silent, download })
    await runFor(world, planned(['bytes']), 0)
    for (let index = 0; index < FETCHED_AT_ONCE; index++) await runFor(world, withLink('bytes', String(index)), 0)
    const taken = withLink('bytes', 'last')
    await runFor(world, taken, 0)
    expect(ends).toHaveLength(FETCHED_AT_ONCE)
    say({ kind: 'lost', generationIds: [taken.id] })
    for (const end of ends) end(image())
    await settled()
    expect(world.downloads).toHaveLength(FETCHED_AT_ONCE)
    expect(await onDisk(world, taken.id)).toMatchObject({ status: 'queued', attempts: [{ status: 'queued', error: null }] })
  })
})

describe('a generation whose intent finds the database away', () => {
  test('is given up at the deadline that it had from the beginning', async () => {
    const { store: inner } = createWorld({ script: silent })
    const state = { isAway: false }
    const commit: Store['commit'] = async (unit) => {
      if (state.isAway) throw new StoreError('unreachable', 'away')
      return inner.commit(unit)
    }
    const world = createWorld({ store: { ...inner, commit }, script: () => pending() })
    const record = withLink('alpha', 'one')
    const accepted = world.run.accept(record, null)
    await accepted
    state.isAway = true
    await world.clock.pass(70_000)
    state.isAway = false
    await world.clock.pass(5_000)
    expect(world.submits()).toBe(0)
    expect(await onDisk(world, record.id)).toMatchObject({ status: 'failed', error: { code: 'rate_limited', billed: false } })
  })
})
