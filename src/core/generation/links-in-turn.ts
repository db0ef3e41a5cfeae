import { fewOfEach } from '../../reading/few-of-each.ts'
import type { GenerationRequest } from '#contract'
import type { Clock } from '../ports.ts'

/** Requests of a key whose links are open at once, each with as many as a request may have: a connection for each is open until it is planned. */
const MOST_OF_A_KEY = 32
/** How long the others wait. */
const TURN_MS = 3_000

const isLink = (image: unknown): boolean => typeof image === 'string' && !image.startsWith('data:')

/**
 * Lets few requests of a key open the links of their references at once: whoever names thousands that say nothing would have as many connections, and
 * the process has only so many. One that waits for too long goes on without, as where a link cannot be measured.
 * @param work gets whether it may open links
 */
export async function linksInTurn<Result>(
  clock: Pick<Clock, 'after'>,
  key: string | null,
  { reference_images: images = [], mask }: Pick<GenerationRequest, 'reference_images' | 'mask'>,
  work: (mayOpen: boolean) => Promise<Result>,
): Promise<Result> {
  if (![...images, mask].some(isLink)) return work(true)
  const turn = Promise.withResolvers<boolean>()
  const worked = Promise.withResolvers<void>()
  let isGone = false
  const stopTimer = clock.after(TURN_MS, () => {
    isGone = true
    turn.resolve(false)
  })
  void fewOfAKey(key ?? '', MOST_OF_A_KEY, async () => {
    if (isGone) return
    stopTimer()
    turn.resolve(true)
    await worked.promise
  })
  try {
    // It works for its own request, whoever's end or timer gave it its turn.
    return await work(await turn.promise)
  } finally {
    worked.resolve()
  }
}

const fewOfAKey = fewOfEach()
