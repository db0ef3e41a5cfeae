import { useState } from 'preact/hooks'
import type { Comparison } from '../../client/index.ts'
import { textOf } from '../format/text.ts'
import { keep, keptJson } from '../shell/kept.ts'

/** An open pick: who, and of what. A comparison has one at most. */
interface Pick {
  readonly provider: string
  readonly model: string
  readonly sandbox: boolean
}

type Picks = Readonly<Record<string, Pick>>

/** As it is kept now: another tab may have picked meanwhile. */
const kept = (): Picks => keptJson<Picks>('local', 'open-picks', {})

/** The one image of a comparison that is liked best; kept in this browser. */
export function usePick({ id, request, sandbox }: Comparison) {
  const [picked, setPicked] = useState(() => kept()[id]?.provider ?? null)
  return {
    picked,
    pick(provider: string) {
      const { [id]: before, ...others } = kept()
      const isTakenBack = before?.provider === provider
      const next: Picks = isTakenBack ? others : { ...others, [id]: { provider, model: textOf(request['model']), sandbox } }
      setPicked(isTakenBack ? null : provider)
      keep('local', 'open-picks', JSON.stringify(next))
    },
  }
}

/** How often each provider was picked openly, the most often first: `[['runware', 3], …]`. They are no votes and are never counted as such. */
export function openPicksOf(sandbox: boolean, model: string): readonly (readonly [string, number])[] {
  const counts = new Map<string, number>()
  for (const pick of Object.values(kept()))
    if (pick.model === model && pick.sandbox === sandbox) counts.set(pick.provider, (counts.get(pick.provider) ?? 0) + 1)
  return [...counts].toSorted(([, one], [, other]) => other - one)
}
