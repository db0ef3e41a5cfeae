import { isFields } from './fields.ts'
import type { WireReply } from './server.ts'
import type { Task } from './task.ts'
import type { Kit, WireRoute } from './wire.ts'

/** A submit of one task. Its model is the `:model` of the path, else the body's `model`. */
export const submitRoute = <Facts>(kit: Kit<Facts>, path: string, accepted: (task: Task<Facts>) => WireReply): WireRoute => ({
  method: 'POST',
  path,
  answer: ({ params, body }) =>
    kit.submit(params['model'] ?? (isFields(body) ? body['model'] : undefined), body, (task) => kit.accepted([task], accepted(task))),
})

interface PollRoute extends Pick<WireRoute, 'isOpen'> {
  /** The reply where the id is left out; that of an unknown task without it. */
  readonly withoutId?: WireReply
}

/** A poll of one task. Its id is the `:id` of the path, else the query's `id`. */
export const pollRoute = (kit: Pick<Kit<never>, 'poll'>, path: string, { isOpen = false, withoutId }: PollRoute = {}): WireRoute => ({
  method: 'GET',
  path,
  isOpen,
  answer({ params, query }) {
    const id = params['id'] ?? query['id'] ?? ''
    return id === '' && withoutId ? withoutId : kit.poll(id)
  },
})
