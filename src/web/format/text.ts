/** A value of a JSON answer as text: what is none yet, as JSON; nothing for what is missing. */
export const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : value === undefined || value === null ? '' : JSON.stringify(value)

/** What an error says. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : textOf(error))
