/** Whether an address holds a user name or a password, a password alone included: such a one is not repeated. */
export const hasCredentials = ({ username, password }: Pick<URL, 'username' | 'password'>): boolean => username + password !== ''

/** A name has 253 characters at most, and a port six with its colon. A parser takes a time that grows with the square of a longer one's letters: 40 ms for 5,000. */
const MOST_HOST_CHARS = 253 + 6
/** Where a host begins in a text that names one, in every spelling a parser takes, and the text up to the path behind it. */
const AUTHORITY = /^[\0-\x20]*(?:(?:https?|wss?|ftp):[/\\]*|[/\\]{2,})([^/\\?#]*)/i

/** Whether a text that somebody else wrote names a host that can be none. */
function hasLongHost(text: string): boolean {
  if (text.length <= MOST_HOST_CHARS) return false
  const authority = AUTHORITY.exec(text.replaceAll(/[\t\n\r]/g, ''))?.[1]
  if (authority === undefined || authority.length <= MOST_HOST_CHARS) return false
  return authority.length - (authority.lastIndexOf('@') + 1) > MOST_HOST_CHARS
}

/** A URL in a text that a caller, a vendor or another server wrote, as a parser makes it; null where there is none. Takes no time that grows with it. */
export const parseUrl = (text: string, base?: string | URL): URL | null => (hasLongHost(text) ? null : URL.parse(text, base))
