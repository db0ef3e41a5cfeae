import { z } from 'zod'
import { USD_SPELLING } from './amounts.ts'

export * from './amounts.ts'

/** Money as callers see it; what is done with it stands in amounts.ts. */
export const Usd = z
  .string()
  .regex(USD_SPELLING, 'must be a decimal string of US dollars with at most 9 decimals, for example "0.045"')
  .meta({ id: 'Usd', description: 'US dollars as a decimal string, for example "0.045". Never a float.' })
export type Usd = z.infer<typeof Usd>

/** The greatest whole amount that is written; what a vendor bills beyond it is shown as this. */
export const GREATEST_USD: Usd = '999999999999'
