import { withoutTrailing } from '#contract'

/** The segments at the end of a path that name a version: `/api/v1/` has `/v1`; empty where it ends in none. */
export function versionAtEnd(path: string): string {
  const segments = withoutTrailing(path, '/').split('/')
  let first = segments.length
  while (first > 1 && /^v\d\w*$/i.test(segments[first - 1] ?? '')) first -= 1
  return segments
    .slice(first)
    .map((segment) => `/${segment}`)
    .join('')
}
