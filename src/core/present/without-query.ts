/** A URL as it may be shown again: signed links carry their secret in the query. */
export const withoutQuery = (url: string): string => url.replace(/[?#].*$/s, '')
