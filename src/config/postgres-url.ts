/**
 * Whether the driver reads what was meant: of the signs that part an address a password has none that is not percent-encoded, also where another
 * address comes out of it, whose @ stands behind the host. One with a socket has no host.
 */
export function isPostgresUrl(text: string): boolean {
  const url = URL.parse(text.replace('@/', '@socket/'))
  return url !== null && /^postgres(ql)?:$/.test(url.protocol) && !`${url.pathname}${url.search}${url.hash}`.includes('@')
}

export const ENCODE_PASSWORD = 'write / ? # @ and : in its user name and password as %2F %3F %23 %40 and %3A'
