import type { Redactor } from './redactor.ts'

const MAX_REASON_CHARS = 200

/** Cut only once the key is out of it: of a key that is cut through, nothing would be found. */
export const shownReason = (reason: string, redactor?: Pick<Redactor, 'redactText'>): string =>
  (redactor?.redactText(reason) ?? reason).slice(0, MAX_REASON_CHARS)

/** An error in one line, which `shownReason` makes fit for logs and people: its code and message. None of them holds a path, query, header or body. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error'
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  const message = error.message === '' ? error.name : error.message
  return inOneLine(code, message.replace(OPENSSL, '$1'))
}

/** OpenSSL begins with the number of its thread, an address in the memory of this process, and ends with a line of its own source. */
const OPENSSL = /\b[\dA-F]{8,16}:error:[\dA-F]{8}:[^:]*:[^:]*:([^:]*):.*$/s

function inOneLine(code: string, message: string): string {
  const line = code === '' || message.includes(code) ? message : `${code}: ${message}`
  return line.replaceAll(/\s+/g, ' ')
}
