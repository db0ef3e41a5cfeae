/** "imag". */
const OURS = 0x69_6d_61_67

/** Advisory locks of the database, each two 32-bit numbers. The server lets go of them when their connection ends, however it ends. */
export const LOCKS = {
  /** One process at a time brings the schema up to date. */
  migration: [OURS, 1],
  /** Held by the one process that answers for the open generations. */
  owner: [OURS, 2],
  /** Shared by every transaction that writes; held alone while the database changes its owner. */
  writing: [OURS, 3],
} as const
