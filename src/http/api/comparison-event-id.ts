/** What `Sent` writes, and what it wrote before it named changes: the numbers of the rows alone. */
export const EVENT_ID = /^(?:\d{1,6}[oe]|-)(?:\.(?:\d{1,6}[oe]|-)){0,99}(?:\.end)?$|^end$|^\d{1,3}(?:\.\d{1,3}){0,99}(?:\.end)?$/

const END = 'end'

/** What has been sent of one row: its generation's changes up to a number of its timeline, and the row itself. */
interface SentRow {
  seq: number
  isEnded: boolean
}

/**
 * What a client has had of a comparison's stream. Each event's id says it of every row, in their order, so that a resumed stream sends exactly
 * the rest, whatever order things happened in: `4e` is a row sent with four changes, `3o` one still open after three, `-` one without either.
 */
export class Sent {
  isAll = false
  readonly #rows: SentRow[] = []

  row(number: number): SentRow {
    while (this.#rows.length <= number) this.#rows.push({ seq: 0, isEnded: false })
    return this.#rows[number] ?? { seq: 0, isEnded: false }
  }

  id(): string {
    const rows = this.#rows.map(({ seq, isEnded }) => (isEnded ? `${seq}e` : seq > 0 ? `${seq}o` : '-'))
    return [...rows, ...(this.isAll ? [END] : [])].join('.')
  }

  /** From an id that matches `EVENT_ID`; an empty one is the beginning. */
  static read(id: string): Sent {
    const sent = new Sent()
    const parts = id.split('.').filter((part) => part !== '')
    if (parts.at(-1) === END) {
      sent.isAll = true
      parts.pop()
    }
    for (const [index, part] of parts.entries()) {
      if (/^\d+$/.test(part)) sent.row(Number(part)).isEnded = true
      else Object.assign(sent.row(index), { seq: Number.parseInt(part, 10) || 0, isEnded: part.endsWith('e') })
    }
    return sent
  }
}
