import { StoreError } from '../core/ports.ts'

/**
 * Whether a store is open, and what it answers while it is.
 * @param onDisk resolves when nothing can be read that is not on disk; by default nothing can
 */
export function openState(onDisk: () => Promise<void> = async () => {}) {
  let isClosed = false
  function assertOpen(): void {
    if (isClosed) throw new StoreError('closed', 'the store is closed')
  }
  return {
    isClosed: () => isClosed,
    close: () => void (isClosed = true),
    whileOpen:
      <Query extends readonly unknown[], Found>(read: (...query: Query) => Found | Promise<Found>) =>
      async (...query: Query): Promise<Found> => {
        assertOpen()
        await onDisk()
        return read(...query)
      },
    pagesWhileOpen:
      <Query, Page>(read: (query: Query) => AsyncIterable<Page>) =>
      (query: Query): AsyncIterable<Page> => {
        assertOpen()
        return read(query)
      },
  }
}
