import type { Call } from '#contract'
import type { Dispatcher } from 'undici'
import { formBody } from './form.ts'
import { jsonBody, type StreamedBody } from './json-body.ts'
import { USER_AGENT } from './user-agent.ts'

const FIXED_HEADERS = ['user-agent', USER_AGENT, 'accept', 'application/json', 'accept-encoding', 'identity']
const STREAM_HEADERS = ['user-agent', USER_AGENT, 'accept', 'text/event-stream, application/json', 'accept-encoding', 'identity']

/** A call as the client sends it, with the vendor's key in `header`. */
export function requestOf(call: Call, url: URL, header: readonly [string, string]): Dispatcher.DispatchOptions {
  const { origin } = url
  const path = url.pathname + url.search
  const request = { origin, path, method: call.method }
  const fixed = call.stream === undefined ? FIXED_HEADERS : STREAM_HEADERS
  if (call.form !== undefined) {
    const form = formBody(call.form)
    return { ...request, ...inPieces(form, [...fixed, 'content-type', form.contentType, ...header]) }
  }
  if (call.body === undefined) return { ...request, headers: [...fixed, ...header] }
  const body = jsonBody(call.body)
  const headers = [...fixed, 'content-type', 'application/json', ...header]
  return typeof body === 'string' ? { ...request, headers, body } : { ...request, ...inPieces(body, headers) }
}

const inPieces = ({ bytes, stream }: StreamedBody, headers: readonly string[]): Pick<Dispatcher.DispatchOptions, 'headers' | 'body'> => ({
  headers: [...headers, 'content-length', String(bytes)],
  body: stream as unknown as Dispatcher.DispatchOptions['body'] & object,
})
