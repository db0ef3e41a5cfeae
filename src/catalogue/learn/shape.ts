import type { Json, JsonObject, TaskState } from '#contract'
import { wordsOf } from './limits.ts'
import type { Named } from './names.ts'
import type { Notes } from './notes.ts'
import type { Field, Operation } from './openapi.ts'

/** Operations that make images in one of the shapes we know, or in none. */
export type ShapeName = 'openai-images' | 'queue-by-returned-urls' | null

/** Names of the address at which an accepted task is asked for, the commonest first. */
const POLL_NAMES = ['polling_url', 'status_url', 'get', 'poll_url', 'response_url']
const ID_NAMES = ['id', 'request_id', 'task_id']

const find = (fields: readonly Field[], names: readonly string[]): Field | undefined =>
  names.map((name) => fields.find((field) => field.name === name && !field.at.includes('*'))).find((field) => field !== undefined)

export function shapeNameOf({ path, reply }: Operation): ShapeName {
  if (reply.some(({ at }) => /^\/data\/\*\/(url|b64_json)$/.test(at)) || path.endsWith('/images/generations')) return 'openai-images'
  return find(reply, POLL_NAMES) === undefined ? null : 'queue-by-returned-urls'
}

/** `openai-images`, as far as the schema says what differs. */
export function imagesShape({ path }: Operation, named: Named, edits: Operation | undefined): JsonObject {
  const { width, height, size, aspect_ratio: ratio, references } = named
  const references_in = references === undefined ? undefined : REFERENCES_IN.find((name) => name === references.name)
  return {
    name: 'openai-images',
    path,
    size:
      width !== undefined && height !== undefined
        ? 'width_and_height'
        : size === undefined && ratio !== undefined
          ? 'aspect_ratio'
          : 'size',
    references: references_in ?? (edits === undefined ? 'none' : 'multipart'),
    ...(edits === undefined ? {} : { edits_path: edits.path }),
  }
}
const REFERENCES_IN = ['image_url', 'reference_images', 'input_references'] as const

/** Words that vendors have for the state of a task. */
const STATES: Readonly<Record<TaskState, RegExp>> = {
  moderated: /moderat|nsfw|safety|filtered/,
  canceled: /cancel|abort/,
  failed: /fail|error|not.?found|expired|timeout/,
  done: /^(ready|done|succeeded|success|completed?|finished|ok)$/,
  pending: /pending|queue|process|progress|running|starting|created|submitted|waiting|accepted|generating/,
}
const stateOf = (word: string): TaskState | null => {
  for (const [state, words] of Object.entries(STATES)) if (words.test(word.toLowerCase())) return state as TaskState
  return null
}

/** `queue-by-returned-urls`: the submits of all its models, and the answer to a poll. */
export function queueShape(submits: readonly Draftable[], polls: readonly Operation[], notes: Notes): JsonObject {
  const [first] = submits
  if (first === undefined) throw new RangeError('a queue has at least one submit')
  const accepted = first.operation.reply
  const [id, poll] = [find(accepted, ID_NAMES), find(accepted, POLL_NAMES)]
  const cancel = find(accepted, ['cancel_url', 'cancel'])
  const answer = polls.map(({ reply }) => reply).find((reply) => reply.some(isStatus)) ?? []
  const why = 'the document does not say where the answer has it'
  const images = answer.filter(isImage).map(({ at }) => at)
  return {
    name: 'queue-by-returned-urls',
    ...submitsOf(submits),
    accepted: {
      id: notes.take('shape.accepted.id', id?.at ?? null, String(id?.pointer), why),
      poll: notes.take('shape.accepted.poll', poll?.at ?? null, String(poll?.pointer), why),
      ...(cancel === undefined ? {} : { cancel: cancel.at }),
    },
    status: statusOf(answer.find(isStatus), notes),
    images: images.length > 0 ? images : notes.miss('shape.images', `${why}: pointers such as \`/result/images/*/url\``),
  }
}

/** Path and body that all have in common, and by model what is different. */
function submitsOf(submits: readonly Draftable[]): JsonObject {
  const [first] = submits.map(({ named }) => bodyOf(named))
  const body = Object.entries(first ?? {}).filter(([ours, at]) =>
    submits.every(({ named }) => JSON.stringify(bodyOf(named)[ours]) === JSON.stringify(at)),
  )
  const common = submits.map(({ operation: { path }, model }) =>
    path.endsWith(`/${model}`) ? `${path.slice(0, -model.length)}{provider_model}` : path,
  )
  const [path = '/'] = common
  const different = submits.map(({ model, operation, named }, index) => {
    const own = Object.entries(bodyOf(named)).filter(([ours]) => !body.some(([name]) => name === ours))
    return [
      model,
      { ...(common[index] === path ? {} : { path: operation.path }), ...(own.length > 0 && { body: Object.fromEntries(own) }) },
    ] as const
  })
  return { path, body: Object.fromEntries(body), models: Object.fromEntries(different.filter(([, own]) => Object.keys(own).length > 0)) }
}

/** A submit that the draft offers as a model. */
export interface Draftable {
  readonly model: string
  readonly operation: Operation
  readonly named: Named
}

const isStatus = (field: Field): boolean => ['status', 'state'].includes(field.name) && wordsOf(field).length > 0
const isImage = ({ name, at, value }: Field): boolean =>
  value['type'] === 'string' &&
  !/error|thumb|polling|status/.test(at) &&
  (['url', 'sample', 'b64_json', 'image'].includes(name) || value['format'] === 'uri')

/** A reference in a field that is no list is one alone. */
const bodyOf = (fields: Named): JsonObject =>
  Object.fromEntries(
    Object.entries(fields).map(([ours, { at, value }]) => [
      ours,
      ours === 'references' && value['type'] === 'string' ? { at, as: 'first' } : at,
    ]),
  )

function statusOf(field: Field | undefined, notes: Notes): Json {
  if (field === undefined) return notes.miss('shape.status', 'the document does not say how an answer names the state of its task')
  const words = wordsOf(field).map((word) => {
    const state = stateOf(word)
    return [word, state ?? notes.miss(`shape.status.words.${word}`, 'one of pending, done, failed, moderated, canceled')] as const
  })
  return { at: field.at, words: Object.fromEntries(words) }
}
