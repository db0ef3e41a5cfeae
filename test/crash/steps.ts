import { Readable } from 'node:stream'
import { isTerminal } from '#contract'
import type { Call } from '#contract'
import type { GenerationRecord } from '../../src/core/records.ts'
import type { Ports } from '../../src/core/ports.ts'

/** Where a server dies, in the order a generation comes by. */
export const STEPS = [
  'before the intent',
  'after the intent',
  'in the submit',
  'reply received but not recorded',
  'recorded',
  'between polls',
  'ready but not fetched',
  'half fetched',
  'stored but not settled',
  'settled but not notified',
] as const
export type Step = (typeof STEPS)[number]

export const isStep = (text: string | undefined): text is Step => STEPS.some((step) => step === text)

/** The metadata key whose value marks the generation to die with; its prompt holds the same mark. */
export const MARK = 'crash'

/**
 * Ports that hold each marked generation for ever when it comes to the step, and end the process when all of them have come.
 * `in the submit` is not ours: there the vendors' side kills.
 */
export function dyingPorts(ports: Ports, step: Step, marks: readonly string[], die: () => void): Ports {
  const marked = new Map<string, GenerationRecord>()
  let arrived = 0
  const dead = <Value>(): Promise<Value> => {
    arrived++
    if (arrived === marks.length) die()
    return new Promise(() => {})
  }
  const markOf = (record: GenerationRecord) => marks.find((mark) => record.request.metadata?.[MARK] === mark)
  const isOurs = (call: Call) =>
    call.purpose === 'submit'
      ? marks.some((mark) => JSON.stringify(call.body).includes(mark))
      : [...marked.values()].some((record) => record.attempts.some(({ next }) => next === call))

  return {
    ...ports,
    store: {
      ...ports.store,
      async commit(unit) {
        const [record] = unit.generations ?? []
        const mark = record && markOf(record)
        if (!record || mark === undefined) return ports.store.commit(unit)
        marked.set(mark, record)
        if (step === 'before the intent') return dead()
        const statuses = new Set(record.attempts.map(({ status }) => status))
        const isOver = isTerminal(record.status)
        await ports.store.commit(unit)
        if (step === 'after the intent' && statuses.has('submitting')) return dead()
        if (step === 'recorded' && (statuses.has('pending') || statuses.has('collecting'))) return dead()
        if (step === 'settled but not notified' && isOver) return dead()
      },
    },
    connect(provider) {
      const connection = ports.connect(provider)
      if (!connection) return null
      return {
        provider: connection.provider,
        release: () => connection.release(),
        async send(call, timeoutMs) {
          const sent = await connection.send(call, timeoutMs)
          if (!isOurs(call)) return sent
          if (step === 'reply received but not recorded' && call.purpose === 'submit') return dead()
          if (step === 'between polls' && call.purpose !== 'submit') return dead()
          return sent
        },
        async download(url, options) {
          if (marked.size === 0) return connection.download(url, options)
          if (step === 'ready but not fetched') return dead()
          const fetched = await connection.download(url, options)
          if (step !== 'half fetched' || fetched.kind !== 'body') return fetched
          return { ...fetched, stream: Readable.from(halfOf(fetched.stream, dead)) }
        },
      }
    },
    assets: {
      ...ports.assets,
      async put(source, maxBytes) {
        const stored = await ports.assets.put(source, maxBytes)
        return step === 'stored but not settled' && marked.size > 0 ? dead() : stored
      },
    },
  }
}

/** The first half of the first piece, time enough for it to be written, then nothing more. */
async function* halfOf(stream: Readable, dead: () => Promise<void>): AsyncGenerator<Buffer> {
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk as Buffer)
    yield bytes.subarray(0, Math.ceil(bytes.length / 2))
    await new Promise((resolve) => setTimeout(resolve, 20))
    await dead()
  }
}
