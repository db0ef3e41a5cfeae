import { StoreError } from '../store/store-error.ts'

/** The operator can correct why the gateway does not start; the message lists every problem. */
export class StartRefused extends Error {}

/** Throws what the operator can correct in words, without a stack; anything else is a defect and is thrown as it is. */
export function refuseInWords(error: unknown): never {
  if (error instanceof StoreError) throw new StartRefused(error.message, { cause: error })
  if (!(error instanceof Error) || !('syscall' in error) || error.syscall !== 'listen') throw error
  throw new StartRefused(`${error.message}; choose another address with HOST and PORT`, { cause: error })
}
