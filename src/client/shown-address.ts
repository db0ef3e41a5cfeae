import { hasCredentials } from '../contract/url.ts'

/** An address as it may be repeated: without its user name and password, whatever signs they hold, and without its query and fragment. */
export function shownAddress(text: string): string {
  const scheme = /^[a-z][a-z\d+.-]*:\/\//i.exec(text)?.[0] ?? ''
  const rest = text.slice(scheme.length)
  const at = rest.lastIndexOf('@')
  // The name of a file may hold the sign too.
  const shown = scheme !== '' || rest.lastIndexOf(':', at) !== -1 ? rest.slice(at + 1) : rest
  return scheme + (scheme === '' ? shown : shown.replace(/[?#].*$/s, ''))
}

/** What is wrong with it as a gateway's address, behind its name and without repeating it; null where nothing is. */
export function addressObjection(text: string): string | null {
  const url = /^https?:\/\//i.test(text) ? URL.parse(text) : null
  if (url === null) return 'is not an http(s) address, for example http://127.0.0.1:8080'
  return hasCredentials(url)
    ? 'holds a user name or a password, which are not sent: leave them out, and give the gateway key by itself'
    : null
}
