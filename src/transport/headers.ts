/** As undici gives them: lower-case names, a list where a name was repeated. */
export type ReceivedHeaders = Record<string, string | string[] | undefined>

/** Header values as plain strings, repeated ones joined as RFC 9110 joins them. Changes and returns its argument. */
export function stringHeaders(headers: ReceivedHeaders): Readonly<Record<string, string>> {
  for (const name in headers) {
    const value = headers[name]
    if (Array.isArray(value)) headers[name] = value.join(', ')
  }
  return headers as Record<string, string>
}
