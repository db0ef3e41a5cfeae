import { useEffect, useState } from 'preact/hooks'
import { whenText } from '../format/facts.ts'

const MINUTE_MS = 60_000

/** An instant as a person says it; the whole of it on hover. */
export function When({ at }: { readonly at: string }) {
  const [now, setNow] = useState(() => new Date())
  useEffect(() => {
    const timer = setInterval(() => setNow(new Date()), MINUTE_MS)
    return () => clearInterval(timer)
  }, [])
  return (
    <time dateTime={at} title={at} class="num">
      {whenText(at, now)}
    </time>
  )
}
