/** An amount as it is written: never rounded, never a float. `quiet` are the digits beyond those that everybody reads. */
export interface WrittenUsd {
  readonly sign: '' | '−'
  readonly loud: string
  readonly quiet: string
}

const grouped = (whole: string): string => whole.replaceAll(/\B(?=(\d{3})+$)/g, ',')

/** From a dollar on at least 2 digits behind the point, below it at least 4; exactly nothing is `$0`. */
export function writtenUsd(amount: string): WrittenUsd {
  const isNegative = amount.startsWith('-')
  const [whole = '0', fraction = ''] = amount.replace('-', '').split('.')
  const digits = fraction.replace(/0+$/, '')
  if (/^0*$/.test(whole) && digits === '') return { sign: '', loud: '$0', quiet: '' }
  const least = /^0*$/.test(whole) ? 4 : 2
  const shown = digits.padEnd(least, '0')
  return { sign: isNegative ? '−' : '', loud: `$${grouped(whole)}.${shown.slice(0, least)}`, quiet: shown.slice(least) }
}

/** The same as plain text, for names, titles and sentences. */
export function usdText(amount: string): string {
  const { sign, loud, quiet } = writtenUsd(amount)
  return `${sign}${loud}${quiet}`
}

/** The shortest form, as a price sentence has it: `$0.03`, `$1.50`. */
export function usdShort(amount: string): string {
  const [whole = '0', fraction = ''] = amount.split('.')
  const digits = fraction.replace(/0+$/, '')
  return `$${grouped(whole)}${digits === '' ? '' : `.${digits.padEnd(2, '0')}`}`
}

/** A difference with its sign; nothing is `same`. */
export function usdDifference(amount: string): string {
  if (/^-?0*(\.0*)?$/.test(amount)) return 'same'
  return amount.startsWith('-') ? usdText(amount) : `+${usdText(amount)}`
}

/** `+58%` of the API as it is written here: U+2212 for minus, a narrow space before the sign. */
export const percentText = (percent: string): string => percent.replace('-', '−').replace('%', ' %')

/** How many digits stand behind the point, so that a column can be aligned on it. */
export const decimalsOf = (amount: string): number => {
  const { loud, quiet } = writtenUsd(amount)
  const at = loud.indexOf('.')
  return at < 0 ? 0 : loud.length - at - 1 + quiet.length
}
