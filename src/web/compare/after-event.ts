import { isOpen } from '../parts/shown-state.ts'
import type { Comparison, ComparisonEvent, Generation } from '../../client/index.ts'

/** A comparison as it is after an event of its stream. An event that is known already changes nothing. */
export function afterEvent(comparison: Comparison, event: ComparisonEvent): Comparison {
  switch (event.kind) {
    case 'end':
      return event.comparison
    case 'row':
      return { ...comparison, summary: comparison.summary.map((row) => (row.provider === event.row.provider ? event.row : row)) }
    case 'change': {
      const generations = comparison.generations.map((generation) => (generation.id === event.id ? changed(generation, event) : generation))
      const status = generations.find(({ id }) => id === event.id)?.status
      const summary = comparison.summary.map((row) => (row.generation_id === event.id && status !== undefined ? { ...row, status } : row))
      return { ...comparison, generations, summary }
    }
  }
}

function changed(before: Generation, { type, at, progress, generation }: Extract<ComparisonEvent, { kind: 'change' }>): Generation {
  if (generation !== undefined) return generation
  // An event of before: what has ended stays so.
  if (!isOpen(before.status)) return before
  switch (type) {
    case 'running':
      return { ...before, status: 'running', started_at: before.started_at ?? at }
    case 'progress':
      return { ...before, status: 'running', progress }
    case 'queued':
    case 'partial_image':
    case 'attempt_failed':
    case 'succeeded':
    case 'failed':
    case 'canceled':
      return before
  }
}
