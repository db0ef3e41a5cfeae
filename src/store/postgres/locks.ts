import { prepare } from './statement.ts'

/** "imag". */
const OURS = 0x69_6d_61_67

/** Advisory locks of the database, each two 32-bit numbers. The server lets go of them when their connection ends, however it ends. */
export const LOCKS = {
  /** One process at a time brings the schema up to date. */
  migration: [OURS, 1],
  /** Shared by every process that works on the database; held alone by one that must be its only user. */
  owner: [OURS, 2],
  /** Shared by units that write a line of a day long over, as a trigger of the ledger has it; held alone for the moment in which such a day is claimed. */
  lateLines: [OURS, 3],
} as const

/** The first half of the locks of providers, whose second half is a hash of their name: held while their slots are counted. */
export const SLOTS_OF = 0x69_6d_61_68
/** The first half of the locks of gateway keys, whose second half is a hash of their name: held while their open generations are counted. */
export const OPEN_OF = 0x69_6d_61_69
/** The same of those whose spending is added up for a period that has no row yet. */
export const SPENDING_OF = 0x69_6d_61_6a

const lock = prepare('SELECT pg_advisory_xact_lock($1, hashtext($2))')
/** Held until the end of the transaction. */
export const lockNamed = (of: typeof SLOTS_OF | typeof OPEN_OF, name: string) => lock(of, name)

const share = prepare('SELECT pg_advisory_xact_lock_shared($1, hashtext($2))')
/** Held together with others that share it. */
export const shareNamed = (of: typeof SPENDING_OF, name: string) => share(of, name)
