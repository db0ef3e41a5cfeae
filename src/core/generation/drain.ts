import type { Ports } from '../ports.ts'

/** Ports that count what is under way, so that a stop can wait for it. */
export interface Drainable {
  readonly ports: Ports
  /** Resolves to true once nothing is under way, with everything that followed from it on disk; to false when `timeoutMs` is over. */
  idle(timeoutMs: number): Promise<boolean>
}

/**
 * A step of the run is a chain of port calls without a wait between them (waits are the wheel's). So once the wheel and the slots stand
 * still and no port call is under way, no step is either, and whatever a vendor answered is recorded.
 */
export function drainable(ports: Ports): Drainable {
  let underWay = 0
  let onIdle: (() => void) | null = null

  const done = (): void => {
    underWay--
    if (underWay === 0) onIdle?.()
  }
  const counted =
    <Arguments extends unknown[], Result>(call: (...values: Arguments) => Promise<Result>) =>
    async (...values: Arguments): Promise<Result> => {
      underWay++
      try {
        return await call(...values)
      } finally {
        done()
      }
    }

  const { clock, assets, store } = ports
  return {
    ports: {
      ...ports,
      send: counted(ports.send),
      download: counted(ports.download),
      store: { ...store, commit: counted(store.commit) },
      assets: { ...assets, put: counted(assets.put), read: counted(assets.read) },
    },
    idle: (timeoutMs) =>
      new Promise((resolve) => {
        const finish = (isIdle: boolean): void => {
          onIdle = null
          stopTimer()
          resolve(isIdle)
        }
        // A step may go on to its next call: it has had its turn when the event loop comes round twice.
        const look = (turns: number): void => {
          if (onIdle !== look0) return
          if (underWay > 0) return
          if (turns === 0) finish(true)
          else setImmediate(look, turns - 1)
        }
        const look0 = (): void => look(2)
        const stopTimer = clock.after(timeoutMs, () => finish(false))
        onIdle = look0
        look0()
      }),
  }
}
