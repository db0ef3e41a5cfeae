import { useEffect, useState } from 'preact/hooks'

/** What is here sooner than this comes without a frame before it, which would only flash. */
const SLOW_FROM_MS = 300

/** Whether something has been waited for so long that its frame is shown. */
export function useIsSlow(isWaiting: boolean): boolean {
  const [isSlow, setIsSlow] = useState(false)
  useEffect(() => {
    if (!isWaiting) return setIsSlow(false)
    const timer = setTimeout(() => setIsSlow(true), SLOW_FROM_MS)
    return () => clearTimeout(timer)
  }, [isWaiting])
  return isSlow
}
