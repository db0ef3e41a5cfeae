import { useLayoutEffect, useState } from 'preact/hooks'

/** One value that several parts of the page follow. */
export interface Watched<Value> {
  get(): Value
  set(value: Value): void
  watch(onChange: () => void): () => void
}

export function watched<Value>(first: Value): Watched<Value> {
  let value = first
  const watchers = new Set<() => void>()
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return
      value = next
      for (const watcher of watchers) watcher()
    },
    watch(onChange) {
      watchers.add(onChange)
      return () => void watchers.delete(onChange)
    },
  }
}

export function useWatched<Value>(source: Watched<Value>): Value {
  const [value, setValue] = useState(source.get)
  useLayoutEffect(() => {
    setValue(() => source.get())
    return source.watch(() => setValue(() => source.get()))
  }, [source])
  return value
}
