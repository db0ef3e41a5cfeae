import type { IncomingHttpHeaders } from 'node:http'

/** The trace a request belongs to, as W3C Trace Context has it; undefined where there is none, or none that can be read. */
export function traceparentOf({ traceparent }: IncomingHttpHeaders): string | undefined {
  return typeof traceparent === 'string' && /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(traceparent)
    ? traceparent
    : undefined
}
