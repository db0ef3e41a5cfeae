import { readOrder, USUAL_FIELDS } from './read-order.ts'
import type { OrderFields } from './read-order.ts'
import { referencePixels } from './reference-pixels.ts'
import type { Refusal, RefusalTable } from './replies.ts'
import { estimated } from './size-and-price.ts'
import { playOf } from './stories.ts'
import type { TaskStore } from './task-store.ts'
import type { Task, TaskOrder } from './task.ts'
import { isFields } from './fields.ts'
import type { Kit, Wire } from './wire.ts'

/** A submit from its body to the accepted task, the same for every vendor. `take` takes the task on. */
export function createSubmit<Facts, Answer>(
  wire: Wire<Facts, Answer>,
  store: TaskStore<Facts>,
  take: (order: TaskOrder<Facts>) => Task<Facts>,
): Kit<Facts, Answer>['submit'] {
  const names: OrderFields = { ...USUAL_FIELDS, ...wire.fields }
  const refusalOf = refusals(wire.provider, wire.refused)
  return async (name, body, accepted) => {
    const model = String(name)
    const offered = Object.hasOwn(wire.models, model) ? wire.models[model] : undefined
    if (!offered) return wire.refused['unknown-model']
    const problems = offered.schema(body)
    if (problems.length > 0 || !isFields(body)) return wire.invalid(problems, body)
    const order = readOrder(names, body)
    const { id, count, seed, prompt, format, quality, webhook } = order
    // Everything slow comes first: from the refusals to the acceptance nothing else may happen.
    const references = await Promise.all(order.references.map(referencePixels))
    const isTaken = id !== undefined && store.find(id) !== undefined
    const isFull = store.unfinished() >= (wire.maxUnfinished ?? Number.POSITIVE_INFINITY)
    const refusal = isTaken ? 'taken' : (refusalOf(prompt) ?? (isFull ? 'rate-limited' : null))
    if (refusal !== null) return wire.refused[refusal] ?? wire.refused.crash
    const { size, amount } = estimated(offered, order, references, body)
    const task = take({
      id: id ?? wire.newId(),
      newImageId: wire.newId,
      prompt,
      count,
      ...size,
      format,
      ...(quality === undefined ? {} : { quality }),
      seed,
      pricePerImage: amount,
      webhook,
      linkLifeMs: order.linkLifeMs ?? wire.delivery.lifeMs ?? null,
      facts: wire.facts({ model, body, prompt, size, references }),
    })
    return accepted(task)
  }
}

/** The same prompt is refused again, in `rate-limited`, only after this long. */
const RATE_STORY_MS = 10_000

/** The refusal that the prompt's story wants at the submit, or null. */
function refusals(provider: string, { moderated }: RefusalTable<unknown>): (prompt: string) => Refusal | 'moderated' | null {
  const limitedAt = new Map<string, number>()
  return (prompt) => {
    const story = playOf(prompt, provider)?.story
    switch (story) {
      case 'rate-limited': {
        const now = Date.now()
        if (now - (limitedAt.get(prompt) ?? 0) < RATE_STORY_MS) return null
        limitedAt.set(prompt, now)
        return 'rate-limited'
      }
      case 'always-rate-limited':
        return 'rate-limited'
      case 'moderated':
        return moderated === undefined ? null : 'moderated'
      case 'unauthorized':
      case 'no-credit':
      case 'unavailable':
      case 'crash':
        return story
      default:
        return null
    }
  }
}
