/** Does a work again and again, `everyMs` after its end. What fails is done again. */
export function again(everyMs: number, work: () => Promise<void>): () => Promise<void> {
  let isStopped = false
  let timer: NodeJS.Timeout | null = null
  let running = Promise.resolve()
  const plan = (): void => {
    if (isStopped) return
    timer = setTimeout(() => {
      running = work()
        .catch(() => {})
        .finally(plan)
    }, everyMs)
    timer.unref()
  }
  plan()
  return async () => {
    isStopped = true
    if (timer) clearTimeout(timer)
    await running
  }
}
