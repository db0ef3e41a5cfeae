import { decimalsOf, writtenUsd } from '../format/usd.ts'

interface UsdProps {
  /** Dollars as the API gives them; null is not known. */
  readonly amount: string | null
  /** Why it is not known. */
  readonly why?: string
  /** Digits behind the point of the longest amount of its column, so that the points stand below one another. */
  readonly decimals?: number
  /** Written in front: `+` of a difference. */
  readonly sign?: string
}

/** The only spot where money is put on a page. */
export function Usd({ amount, why = 'The provider did not say what it costs.', decimals = 0, sign = '' }: UsdProps) {
  if (amount === null) return <Unknown why={why} />
  const written = writtenUsd(amount)
  const own = decimalsOf(amount)
  const missing = Math.max(0, decimals - own)
  return (
    <span class="usd">
      {written.sign === '' ? sign : written.sign}
      {written.loud}
      {written.quiet === '' ? null : <span class="quiet">{written.quiet}</span>}
      {missing === 0 ? null : (
        <span class="pad" aria-hidden="true">
          {own === 0 ? '.' : ''}
          {'0'.repeat(missing)}
        </span>
      )}
    </span>
  )
}

export function Unknown({ why, children = 'unknown' }: { readonly why: string; readonly children?: string }) {
  return (
    <span class="unknown" title={why}>
      {children}
      <span class="hidden">: {why}</span>
    </span>
  )
}

export const NoPrice = () => <Unknown why="The provider publishes no price; it is known once billed.">no price</Unknown>

/** The most digits behind the point of a column. */
export const decimalsOfAll = (amounts: readonly (string | null)[]): number =>
  Math.max(0, ...amounts.map((amount) => (amount === null ? 0 : decimalsOf(amount))))
