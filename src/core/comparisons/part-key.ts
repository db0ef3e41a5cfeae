import type { ComparisonRecord } from '../records.ts'

/** The idempotency key under which a comparison begins its generation at a provider: begun again, it is the same generation. */
export const partKey = ({ id }: Pick<ComparisonRecord, 'id'>, provider: string): string => `${id}/${provider}`
