import { ClientError } from '../../client/index.ts'
import { messageOf } from '../format/text.ts'
import { isAway } from '../shell/gateway.ts'
import { CopyButton } from './copy-button.tsx'
import { Note } from './note.tsx'

/** Why something could not be asked: the problem's title, its detail, and the id of the request. Nothing while the gateway is away, which is said once for all. */
export function Problem({ error }: { readonly error: unknown }) {
  if (error === null || isAway(error)) return null
  const problem = error instanceof ClientError ? error.problem : null
  return (
    <Note kind="red" alert>
      <b>{problem?.title ?? 'This could not be asked'}.</b> {problem?.detail ?? messageOf(error)} <RequestId of={error} />
    </Note>
  )
}

/** The id under which the gateway's log has the request, to be copied. Nothing where none is known. */
export function RequestId({ of }: { readonly of: unknown }) {
  const id = of instanceof ClientError ? of.requestId : null
  if (id === null) return null
  return (
    <span class="request-id">
      Request <code>{id}</code> <CopyButton text={id} what="the request id" />
    </span>
  )
}
