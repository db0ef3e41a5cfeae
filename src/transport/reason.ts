const MAX_REASON_CHARS = 200

/** An error in one short line for logs and people: its code and message. None of them holds a path, query, header or body. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error'
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  const message = error.message === '' ? error.name : error.message
  const line = code === '' || message.includes(code) ? message : `${code}: ${message}`
  return line.replaceAll(/\s+/g, ' ').slice(0, MAX_REASON_CHARS)
}
