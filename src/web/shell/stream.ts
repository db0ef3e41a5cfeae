import { useEffect, useRef, useState } from 'preact/hooks'
import type { StreamOptions } from '../../client/index.ts'
import { awaySince, heard, isAway } from './gateway.ts'
import { useWatched } from './watched.ts'

/**
 * Follows an event stream of the page while `isOn`. Where it breaks off it goes on behind the last event that came, at once or when the
 * gateway answers again. Returns true where there is no stream to be had: then the page has to ask.
 */
export function useStream<Event>(
  id: string,
  isOn: boolean,
  open: (id: string, options: StreamOptions) => AsyncIterable<Event>,
  onEvent: (event: Event) => void,
): boolean {
  const gone = useWatched(awaySince) !== null
  const [isRefused, setIsRefused] = useState(false)
  const position = useRef<{ of: string; lastId: string | null }>({ of: id, lastId: null })
  useEffect(() => {
    if (!isOn || gone) return
    if (position.current.of !== id) position.current = { of: id, lastId: null }
    const ending = new AbortController()
    const { signal } = ending
    const read = async (): Promise<void> => {
      for await (const event of open(id, { signal, position: position.current })) {
        if (signal.aborted) return
        onEvent(event)
      }
    }
    read().catch((error: unknown) => {
      if (signal.aborted) return
      heard(error)
      setIsRefused(!isAway(error))
    })
    return () => ending.abort()
  }, [id, isOn, gone])
  return isRefused
}
