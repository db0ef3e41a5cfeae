import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { randomId } from '../core/new-id.ts'

/** What a caller may name its request by: it goes into logs and headers as it is. */
const SANE = /^[A-Za-z0-9._-]{1,128}$/

/** The caller's own id, where it sent a sane one. */
export function callerRequestId({ 'x-request-id': id }: IncomingHttpHeaders): string | null {
  return typeof id === 'string' && SANE.test(id) ? id : null
}

/** The caller's own, else a new one. */
export const requestIdOf = ({ headers }: Pick<IncomingMessage, 'headers'>): string => callerRequestId(headers) ?? newRequestId()

export const newRequestId = (): string => randomId('req')
