import { subtractUsd, sumUsd, type Usd } from '#contract'
import type { Journal } from './journal.ts'
import { playOf, type Story } from './stories.ts'
import { chargeOf, endsAt, isUnfinished, recordOf, type Task, type TaskImage, type TaskOrder, type TaskRecord } from './task.ts'

export interface TaskStore<Facts> {
  accept(order: TaskOrder<Facts>): Task<Facts>
  find(id: string): Task<Facts> | undefined
  findImage(id: string): { readonly task: Task<Facts>; readonly image: TaskImage } | undefined
  all(): readonly Task<Facts>[]
  unfinished(): number
  /** The most that were unfinished when one more was accepted, it included. */
  mostUnfinished(): number
  /** Accepted tasks, those of earlier starts and the forgotten ones included. */
  accepted(): number
  /** Dollars charged for them. */
  spent(): Usd
  /** What a journal must hold to open the same store again. */
  lines(): readonly object[]
}

/** Lines of the journal. `base` sums up what a compaction dropped. */
type Line<Facts> = { readonly base: { readonly accepted: number; readonly spent: Usd } } | { readonly task: TaskRecord<Facts> }

interface StoreOptions {
  readonly provider: string
  readonly typicalMs: number
  readonly journal: Journal
  /** How long an ended task is found; Infinity where the vendor does not say. */
  readonly lifeMs: number
  /** Stories that are played as plain success. */
  readonly unplayed: readonly Story[]
}

const TASKS_KEPT = 50_000

export function openTaskStore<Facts>({ provider, typicalMs, journal, lifeMs, unplayed }: StoreOptions): TaskStore<Facts> {
  const tasks = new Map<string, Task<Facts>>()
  const images = new Map<string, { readonly task: Task<Facts>; readonly image: TaskImage }>()
  let accepted = 0
  let spent: Usd = '0'
  let most = 0

  const isForgotten = (task: Task<Facts>) => Date.now() > endsAt(task) + lifeMs
  function add(record: TaskRecord<Facts>): Task<Facts> {
    const task = { ...record, polls: 0 }
    accepted += 1
    spent = sumUsd([spent, chargeOf(record)])
    tasks.set(task.id, task)
    for (const image of task.images) images.set(image.id, { task, image })
    return task
  }
  function forgetOld(): void {
    for (const task of tasks.values()) {
      if (tasks.size <= TASKS_KEPT && !isForgotten(task)) return
      tasks.delete(task.id)
      for (const { id } of task.images) images.delete(id)
    }
  }

  for (const line of journal.lines as readonly Line<Facts>[]) {
    if ('task' in line) add(line.task)
    else if ('base' in line) {
      accepted += line.base.accepted
      spent = sumUsd([spent, line.base.spent])
    }
  }
  forgetOld()

  const unfinished = () => [...tasks.values()].filter((task) => isUnfinished(task, Date.now())).length
  return {
    accept(order) {
      const play = playOf(order.prompt, provider)
      const played = play !== null && unplayed.includes(play.story) ? null : play
      const record = recordOf(order, played, `${provider} ${accepted}`, typicalMs, Date.now())
      journal.add({ task: record })
      forgetOld()
      const task = add(record)
      most = Math.max(most, unfinished())
      return task
    },
    find: (id) => {
      const task = tasks.get(id)
      return task && !isForgotten(task) ? task : undefined
    },
    findImage: (id) => images.get(id),
    all: () => [...tasks.values()],
    unfinished,
    mostUnfinished: () => most,
    accepted: () => accepted,
    spent: () => spent,
    lines() {
      const kept = [...tasks.values()]
      const base = { accepted: accepted - kept.length, spent: subtractUsd(spent, sumUsd(kept.map(chargeOf))) }
      return [{ base }, ...kept.map((task) => ({ task: { ...task, polls: undefined } }))]
    },
  }
}
