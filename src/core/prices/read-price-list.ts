import { usdOf } from '#adapter-kit'
import { valuesAt, type Json, type ListedPrice, type PublishedPriceList, type Usd } from '#contract'

/** A line of a vendor's list, as it is and as we read it. */
export interface ListedLine {
  /** What it is the price of; null where the list has a word that we do not know. */
  readonly as: ListedPrice | null
  /** Its own words for what is counted. */
  readonly unit: string
  readonly variant: string | null
  /** Dollars for one unit; null where that is no amount, or not in dollars. */
  readonly amount: Usd | null
}

/** The lines of a list about one model. Empty where the vendor lists nothing. */
export const readPriceList = ({ lines, fields, meanings }: PublishedPriceList, body: Json): readonly ListedLine[] =>
  valuesAt(body, lines).map((line) => {
    const text = (field: string | undefined): string | null => {
      const value = field === undefined ? undefined : valuesAt(line, `/${field}`)[0]
      return typeof value === 'string' ? value : null
    }
    const unit = text(fields.unit) ?? '(none)'
    const what = text(fields.what)
    const currency = text(fields.currency) ?? 'USD'
    const meaning = meanings.find((each) => each.unit === unit && (each.what === undefined || each.what === what))
    return {
      as: meaning?.as ?? null,
      unit: what === null ? unit : `${what} by the ${unit}`,
      variant: text(fields.variant),
      amount: currency.toUpperCase() === 'USD' ? usdOf(valuesAt(line, `/${fields.amount}`)[0]) : null,
    }
  })
