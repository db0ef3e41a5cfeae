import type { Clock } from '../core/ports.ts'

const HOUR_MS = 3_600_000

export interface Hourly {
  readonly clock: Pick<Clock, 'after'>
  /** Whether this process does it in this hour; absent where there is no other. */
  readonly isTurn?: (periodMs: number) => Promise<boolean>
  readonly work: () => Promise<void>
  readonly onFailed: (error: string) => void
}

/** Works now and every hour. The returned function stops it, once work in progress is over. */
export function everyHour({ clock, isTurn, work, onFailed }: Hourly): () => Promise<void> {
  let stopTimer = () => {}
  let isStopped = false
  const round = async (): Promise<void> => {
    try {
      if ((await isTurn?.(HOUR_MS)) !== false) await work()
    } catch (error) {
      onFailed(error instanceof Error ? error.message : 'unknown')
    }
    if (isStopped) return
    stopTimer = clock.after(HOUR_MS, () => {
      current = round()
    })
  }
  let current = round()
  return async () => {
    isStopped = true
    stopTimer()
    await current
  }
}
