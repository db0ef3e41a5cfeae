import { saysHowProviderDoes } from '#contract'
import type { Observer } from '../core/ports.ts'

const WINDOW = 100

/** How each provider did lately. */
export interface Health {
  readonly observer: Observer
  /** Of the last 100 paid tasks; null before the first. A moderated or canceled task says nothing about the provider's health. */
  successRate(provider: string): number | null
}

export function createHealth(): Health {
  const outcomes = new Map<string, boolean[]>()
  return {
    observer: {
      submitted() {},
      taskEnded({ provider, code }) {
        if (!saysHowProviderDoes(code)) return
        const recent = outcomes.get(provider) ?? []
        outcomes.set(provider, recent)
        recent.push(code === null)
        if (recent.length > WINDOW) recent.shift()
      },
      generationEnded() {},
    },
    successRate(provider) {
      const recent = outcomes.get(provider)
      return recent ? recent.filter(Boolean).length / recent.length : null
    },
  }
}
