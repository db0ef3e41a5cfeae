import { useEffect, useState } from 'preact/hooks'
import { whenText } from '../format/facts.ts'
import { watched } from '../shell/watched.ts'

const MINUTE_MS = 60_000
/** One clock for all, however many instants stand on the page. */
const minute = watched(new Date())
setInterval(() => minute.set(new Date()), MINUTE_MS)

/** An instant as a person says it; the whole of it on hover. */
export function When({ at }: { readonly at: string }) {
  const [text, setText] = useState(() => whenText(at, new Date()))
  useEffect(() => {
    setText(whenText(at, new Date()))
    return minute.watch(() => setText(whenText(at, minute.get())))
  }, [at])
  return (
    <time dateTime={at} title={at} class="num">
      {text}
    </time>
  )
}
