import type { Fields } from './emulator-validation.ts'

/** A receiver must answer within this, https://runware.ai/docs/models-api/webhooks, 2026-11-21. */
const ANSWER_WITHIN_MS = 5000
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 8000
/** How often Runware tries is not documented. */
const MAX_TRIES = 6

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]'])

/** Posts results to receivers on loopback, again with growing pauses until one says 2xx. */
export function webhookSender(): { readonly deliver: (url: string, entry: Fields) => void; readonly close: () => void } {
  const timers = new Set<NodeJS.Timeout>()
  const closing = new AbortController()

  async function send(url: string, body: string, tried: number): Promise<void> {
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(ANSWER_WITHIN_MS)])
    const isDelivered = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      redirect: 'manual',
      signal,
    }).then(
      async (answer) => {
        await answer.body?.cancel()
        return answer.ok
      },
      () => false,
    )
    if (isDelivered || closing.signal.aborted || tried + 1 >= MAX_TRIES) return
    const timer = setTimeout(
      () => {
        timers.delete(timer)
        void send(url, body, tried + 1)
      },
      Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** tried) * (0.5 + Math.random() / 2),
    )
    timers.add(timer)
  }

  return {
    deliver: (url, entry) => {
      const parsed = URL.parse(url)
      if (parsed?.protocol === 'http:' && LOOPBACK.has(parsed.hostname)) void send(url, JSON.stringify(entry), 0)
    },
    close: () => {
      closing.abort()
      for (const timer of timers) clearTimeout(timer)
    },
  }
}
