import type { GenerationEvent, PartialImage } from '../../client/index.ts'
import { useWatched, watched } from './watched.ts'

type Change = Extract<GenerationEvent, { kind: 'change' }>

/** The last image on its way of each open generation of this page, as an address to show. They are no results and are kept nowhere else. */
const partials = watched<ReadonlyMap<string, OnItsWay>>(new Map())

interface OnItsWay {
  /** Which attempt it is of, from 1. */
  readonly attempt: number
  readonly address: string
}

/** @param attempt the newest one that is known: what an earlier one had on its way is not what comes, also where no event said that it failed */
export function usePartial(generation: string, attempt: number): string | undefined {
  const partial = useWatched(partials).get(generation)
  return partial === undefined || partial.attempt < attempt ? undefined : partial.address
}

function showPartial(generation: string, { attempt, format, b64_json: base64 }: PartialImage): void {
  if (attempt < (partials.get().get(generation)?.attempt ?? 0)) return
  partials.set(new Map(partials.get()).set(generation, { attempt, address: `data:image/${format};base64,${base64}` }))
}

/** Its generation has ended, or failed and goes on elsewhere: what was on its way is not what comes. */
export function forgetPartial(generation: string): void {
  if (!partials.get().has(generation)) return
  const others = new Map(partials.get())
  others.delete(generation)
  partials.set(others)
}

/** Keeps what an event of a generation’s own stream, or of its comparison’s, brings on the way. */
export function followPartial(generation: string, { type, partial_image: partial }: Pick<Change, 'type' | 'partial_image'>): void {
  if (partial !== undefined) showPartial(generation, partial)
  else if (type !== 'queued' && type !== 'running' && type !== 'progress') forgetPartial(generation)
}
