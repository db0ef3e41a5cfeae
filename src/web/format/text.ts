/** A value of a JSON answer as text: what is none yet, as JSON; nothing for what is missing. */
export const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : value === undefined || value === null ? '' : JSON.stringify(value)

/** Ends with a full stop, or with what it ends with already. */
export const sentence = (text: string): string => (/[.!?…]$/.test(text) ? text : `${text}.`)

/** What an error says. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : textOf(error))
