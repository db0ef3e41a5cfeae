/**
 * Why the store could not do its work. `full`, `io`: the disk. `in_use`: another process holds the data folder. `newer_schema`: the
 * database was written by a later version. `damaged`: the file is not a database we can read. `closed`: asked after `close()`. `unreachable`:
 * the database server does not answer; the next try may succeed. `elsewhere`: the data is not here; the message says who can do it.
 */
export class StoreError extends Error {
  readonly reason: 'full' | 'io' | 'in_use' | 'newer_schema' | 'damaged' | 'closed' | 'unreachable' | 'elsewhere'
  constructor(reason: StoreError['reason'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StoreError'
    this.reason = reason
  }
}
