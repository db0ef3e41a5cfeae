import { shareNews } from '../news.ts'
import type { Ports } from '../ports.ts'
import type { PollSchedule } from './poll-schedule.ts'

type Duration = [provider: string, model: string, ms: number]

/** Learns how long each offer takes from the tasks of all processes that share a store. */
export function shareDurations(own: PollSchedule, { store, clock }: Pick<Ports, 'store' | 'clock'>): PollSchedule {
  const { nodes } = store
  if (nodes === undefined) return own
  const say = shareNews<Duration>({ nodes, clock, topic: 'durations', hear: (duration) => void own.observe(...duration) })
  return {
    ...own,
    observe(provider, model, byMs, afterMs) {
      const ms = own.observe(provider, model, byMs, afterMs)
      say([provider, model, ms])
      return ms
    },
  }
}
