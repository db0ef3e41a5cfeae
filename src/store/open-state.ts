import { StoreError } from '../core/ports.ts'

/** Whether a store is open, and what it answers while it is. */
export function openState() {
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
