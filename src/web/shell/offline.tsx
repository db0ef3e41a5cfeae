import { useCallback, useEffect, useState } from 'preact/hooks'
import { clockText } from '../format/facts.ts'
import { Note } from '../parts/note.tsx'
import { awaySince, client, queries } from './gateway.ts'
import { useWatched } from './watched.ts'

const WAITS_S = [1, 2, 4, 8]
const LAST_WAIT_S = 15

/** While the gateway does not answer: says so, tries again, and then brings everything on the page up to date. */
export function Offline() {
  const since = useWatched(awaySince)
  const [tries, setTries] = useState(0)
  const [secondsLeft, setSecondsLeft] = useState(WAITS_S[0] ?? 1)
  const isAway = since !== null

  const tryNow = useCallback(async () => {
    if (await client().isUp()) {
      awaySince.set(null)
      setTries(0)
      setSecondsLeft(WAITS_S[0] ?? 1)
      await queries.invalidateQueries()
      return
    }
    setTries((count) => {
      setSecondsLeft(WAITS_S[count + 1] ?? LAST_WAIT_S)
      return count + 1
    })
  }, [])

  useEffect(() => {
    if (isAway) return
    setTries(0)
    setSecondsLeft(WAITS_S[0] ?? 1)
  }, [isAway])
  useEffect(() => {
    if (!isAway) return
    const timer = setInterval(() => setSecondsLeft((left) => Math.max(0, left - 1)), 1_000)
    const again = () => void (document.visibilityState === 'visible' && tryNow())
    addEventListener('online', again)
    document.addEventListener('visibilitychange', again)
    return () => {
      clearInterval(timer)
      removeEventListener('online', again)
      document.removeEventListener('visibilitychange', again)
    }
  }, [isAway, tryNow])
  useEffect(() => {
    if (isAway && secondsLeft === 0) void tryNow()
  }, [isAway, secondsLeft, tries, tryNow])

  return since === null ? null : <Away since={since} secondsLeft={secondsLeft} onTry={() => void tryNow()} />
}

interface AwayProps {
  /** The instant of the last answer. */
  readonly since: Date
  readonly secondsLeft: number
  readonly onTry: () => void
}

export function Away({ since, secondsLeft, onTry }: AwayProps) {
  return (
    <div class="offline" role="region" aria-label="Connection">
      <Note kind="plain" icon="offline">
        <span role="status">
          <b>The gateway does not answer.</b> Shown as of <span class="num">{clockText(since)}</span>. Open generations go on there; this
          page catches up by itself.
        </span>{' '}
        Next try in <span class="num">{secondsLeft} s</span>.{' '}
        <button type="button" class="link" onClick={onTry}>
          Try now
        </button>
      </Note>
    </div>
  )
}
