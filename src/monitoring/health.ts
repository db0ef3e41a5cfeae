import { saysHowProviderDoes } from '#contract'
import type { Observer } from '../core/ports.ts'

const WINDOW = 100

/** How each provider did lately. */
export interface Health {
  readonly observer: Observer
  /** Of the last 100 paid tasks; null before the first. A moderated or canceled task says nothing about the provider's health. */
  successRate(provider: string): number | null
  /** A task ended at another process. */
  endedElsewhere(provider: string, isWell: boolean): void
}

/** @param say hears of each outcome here, for other processes */
export function createHealth(say: (provider: string, isWell: boolean) => void = () => {}): Health {
  const outcomes = new Map<string, boolean[]>()
  const ended = (provider: string, isWell: boolean): void => {
    const recent = outcomes.get(provider) ?? []
    outcomes.set(provider, recent)
    recent.push(isWell)
    if (recent.length > WINDOW) recent.shift()
  }
  return {
    observer: {
      submitted() {},
      taskEnded({ provider, code }) {
        if (!saysHowProviderDoes(code)) return
        ended(provider, code === null)
        say(provider, code === null)
      },
      generationEnded() {},
    },
    endedElsewhere: ended,
    successRate(provider) {
      const recent = outcomes.get(provider)
      return recent ? recent.filter(Boolean).length / recent.length : null
    },
  }
}
