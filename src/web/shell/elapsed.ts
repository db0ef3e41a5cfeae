import { useEffect, useState } from 'preact/hooks'

const TICK_MS = 100

/** Milliseconds since an instant, in steps of a tenth. */
export function useElapsed(since: string): number {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), TICK_MS)
    return () => clearInterval(timer)
  }, [])
  return Math.max(0, now - Date.parse(since))
}
