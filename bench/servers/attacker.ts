import { setPriority } from 'node:os'
import { ATTACKS } from '../hostile-attacks.ts'
import type { Target } from '../hostile-attacks.ts'

/** What the bench asks for: these attacks, in turn, so many every `everyMs`, until it says `end`. */
export interface AttackOrder {
  readonly names: readonly string[]
  readonly atOnce: number
  readonly everyMs: number
}
/** How many were begun, once all of them have ended. */
export type Attacked = number

/**
 * The hostile callers, in a process of their own with the lowest priority: what they compute takes no core from the gateway or from who measures
 * it, as if they were elsewhere.
 */
setPriority(19)
const [url = '', key = ''] = process.argv.slice(2)
const target: Target = { url, key, sockets: [] }
const begun: Promise<unknown>[] = []
let count = 0
let timer: NodeJS.Timeout | undefined

process.on('message', (order: AttackOrder | 'end') => void (order === 'end' ? end() : begin(order)))
process.on('disconnect', () => process.exit())
process.send?.(0 satisfies Attacked)

function begin({ names, atOnce, everyMs }: AttackOrder): void {
  timer = setInterval(() => {
    for (let nth = 0; nth < atOnce; nth += 1, count += 1) {
      const attack = ATTACKS[names[count % names.length] ?? '']
      if (attack) begun.push(attack(target).catch(() => null))
    }
  }, everyMs)
}

async function end(): Promise<void> {
  clearInterval(timer)
  await Promise.all(begun.splice(0))
  target.sockets.splice(0).forEach((socket) => socket.destroy())
  process.send?.(count satisfies Attacked)
  count = 0
}
