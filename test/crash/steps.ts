import { Readable } from 'node:stream'
import { isTerminal } from '#contract'
import type { Call, GenerationRecord } from '#contract'
import type { Ports } from '../../src/run/ports.ts'

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

/** Ports that end the process at a step of the marked generation. `in the submit` is not ours: there the vendor's side kills. */
export function dyingPorts(ports: Ports, step: Step, mark: string, die: () => void): Ports {
  let marked: GenerationRecord | null = null
  const dead = <Value>(): Promise<Value> => {
    die()
    return new Promise(() => {})
  }
  const isMarked = (record: GenerationRecord) => record.request.metadata?.[MARK] === mark
  const isOurs = (call: Call) =>
    call.purpose === 'submit' ? JSON.stringify(call.body).includes(mark) : (marked?.attempts.some(({ next }) => next === call) ?? false)

  return {
    ...ports,
    store: {
      ...ports.store,
      async commit(unit) {
        const record = unit.generations?.find(isMarked)
        if (!record) return ports.store.commit(unit)
        marked = record
        if (step === 'before the intent') return dead()
        const statuses = record.attempts.map(({ status }) => status)
        const isOver = isTerminal(record.status)
        await ports.store.commit(unit)
        if (step === 'after the intent' && statuses.includes('submitting')) return dead()
        if (step === 'recorded' && (statuses.includes('pending') || statuses.includes('collecting'))) return dead()
        if (step === 'settled but not notified' && isOver) return dead()
      },
    },
    async send(provider, call, timeoutMs) {
      const sent = await ports.send(provider, call, timeoutMs)
      if (!isOurs(call)) return sent
      if (step === 'reply received but not recorded' && call.purpose === 'submit') return dead()
      if (step === 'between polls' && call.purpose !== 'submit') return dead()
      return sent
    },
    async download(url, options) {
      if (marked === null) return ports.download(url, options)
      if (step === 'ready but not fetched') return dead()
      const fetched = await ports.download(url, options)
      if (step !== 'half fetched' || fetched.kind !== 'body') return fetched
      return { ...fetched, stream: Readable.from(halfOf(fetched.stream, die)) }
    },
    assets: {
      ...ports.assets,
      async put(source, maxBytes) {
        const stored = await ports.assets.put(source, maxBytes)
        return step === 'stored but not settled' && marked !== null ? dead() : stored
      },
    },
  }
}

/** The first half of the first piece, time enough for it to be written, then the end of everything. */
async function* halfOf(stream: Readable, die: () => void): AsyncGenerator<Buffer> {
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk as Buffer)
    yield bytes.subarray(0, Math.ceil(bytes.length / 2))
    await new Promise((resolve) => setTimeout(resolve, 20))
    die()
    await new Promise(() => {})
  }
}
