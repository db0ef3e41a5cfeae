import { isLoopbackUrl } from './reference-pixels.ts'

export interface EmulatedWebhook {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** JSON. */
  readonly body: string
}

/** A receiver must answer within this; after `tries` it is given up. Pauses double from `firstPauseMs`. */
const ANSWER_WITHIN_MS = 5_000
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 8_000

export interface WebhookSender {
  /** Posts to a receiver on this machine, again with growing pauses until one answers 2xx. `onTaken` is called then. */
  deliver(webhook: EmulatedWebhook, onTaken: () => void): void
  close(): void
}

export function createWebhookSender(tries: number): WebhookSender {
  const timers = new Set<NodeJS.Timeout>()
  const closing = new AbortController()

  async function post(webhook: EmulatedWebhook, tried: number, onTaken: () => void): Promise<void> {
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(ANSWER_WITHIN_MS)])
    const headers = { 'content-type': 'application/json', ...webhook.headers }
    const isTaken = await fetch(webhook.url, { method: 'POST', headers, body: webhook.body, redirect: 'manual', signal }).then(
      async (answer) => {
        await answer.body?.cancel()
        return answer.ok
      },
      () => false,
    )
    if (isTaken) onTaken()
    if (isTaken || closing.signal.aborted || tried + 1 >= tries) return
    const timer = setTimeout(
      () => {
        timers.delete(timer)
        void post(webhook, tried + 1, onTaken)
      },
      Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** tried),
    )
    timers.add(timer)
  }

  return {
    deliver: (webhook, onTaken) => {
      if (isLoopbackUrl(webhook.url)) void post(webhook, 0, onTaken)
    },
    close: () => {
      closing.abort()
      for (const timer of timers) clearTimeout(timer)
    },
  }
}
