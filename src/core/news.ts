import { randomUUID } from 'node:crypto'
import type { Json } from '#contract'
import type { Nodes } from './nodes.ts'
import type { Clock } from './ports.ts'

/** What happens within so long is one message. */
const TOGETHER_MS = 250
/** So that a message keeps below what one may have. */
const MOST_IN_ONE = 40

export interface NewsOptions<Item extends Json> {
  readonly nodes: Pick<Nodes, 'onMessage' | 'say'> | undefined
  readonly clock: Pick<Clock, 'after'>
  readonly topic: 'durations' | 'outcomes'
  /** Something happened at another process. */
  readonly hear: (item: Item) => void
}

/** Says to the other processes what happened here, and hears what happened there. What is lost on the way stays lost. */
export function shareNews<Item extends Json>({ nodes, clock, topic, hear }: NewsOptions<Item>): (item: Item) => void {
  if (nodes === undefined) return () => {}
  const from = randomUUID()
  let unsaid: Item[] = []
  nodes.onMessage((message) => {
    if (message.kind === 'news' && message.topic === topic && message.from !== from) message.items.forEach((item) => hear(item as Item))
  })
  const say = (): void => {
    for (let index = 0; index < unsaid.length; index += MOST_IN_ONE)
      void nodes.say({ kind: 'news', topic, from, items: unsaid.slice(index, index + MOST_IN_ONE) })
    unsaid = []
  }
  return (item) => {
    if (unsaid.length === 0) clock.after(TOGETHER_MS, say)
    unsaid.push(item)
  }
}
