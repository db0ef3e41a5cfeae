import type { NodeMessage } from '../nodes.ts'

/** How many may be on their way at once: each has a connection to the database for so long. */
const MOST_AT_ONCE = 2

/**
 * Says to the other processes what callbacks came about attempts that this one does not work on. Of those about one attempt that come before it was
 * said, one is: a vendor may send thousands about a task that ended long ago, and what is bought needs the database meanwhile.
 */
export function createCallbacksElsewhere(
  say: (message: NodeMessage) => Promise<void>,
): (message: NodeMessage & { kind: 'callback' }) => void {
  const waiting = new Map<string, NodeMessage>()
  let onTheirWay = 0

  async function sayWaiting(): Promise<void> {
    onTheirWay += 1
    for (const [attemptId, message] of waiting) {
      waiting.delete(attemptId)
      await say(message).catch(() => {})
    }
    onTheirWay -= 1
  }

  return (message) => {
    waiting.set(message.attemptId, message)
    if (onTheirWay < MOST_AT_ONCE) void sayWaiting()
  }
}
