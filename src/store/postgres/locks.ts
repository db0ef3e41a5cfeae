/** "imag". */
const OURS = 0x69_6d_61_67

/** Advisory locks of the database, each two 32-bit numbers. The server lets go of them when their connection ends, however it ends. */
export const LOCKS = {
  /** One process at a time brings the schema up to date. */
  migration: [OURS, 1],
  /** Shared by every process that works on the database; held alone by one that must be its only user. */
  owner: [OURS, 2],
} as const

/** The first half of the locks of providers, whose second half is a hash of their name: held while their slots are counted. */
export const SLOTS_OF = 0x69_6d_61_68
