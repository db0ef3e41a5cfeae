import { useState } from 'preact/hooks'
import { keep, keptJson } from '../shell/kept.ts'

/** The one image of a comparison that is liked best; kept in this browser. */
export function usePick(id: string) {
  const [all, setAll] = useState(() => keptJson<Readonly<Record<string, string>>>('local', 'picks', {}))
  return {
    picked: all[id] ?? null,
    pick(provider: string) {
      const { [id]: before, ...others } = all
      const next = before === provider ? others : { ...others, [id]: provider }
      setAll(next)
      keep('local', 'picks', JSON.stringify(next))
    },
  }
}
