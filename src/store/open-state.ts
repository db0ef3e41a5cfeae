import { StoreError } from '../core/ports.ts'

/**
 * Whether a store is open, and what it answers while it is.
 * @param onDisk resolves when nothing can be read that is not on disk; by default nothing can
 * @param failure what a reader throws, in our words
 */
export function openState(onDisk: () => Promise<void> = async () => {}, failure: (error: unknown) => unknown = (error) => error) {
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
        try {
          return await read(...query)
        } catch (error) {
          throw failure(error)
        }
      },
    pagesWhileOpen:
      <Query, Page>(read: (query: Query) => AsyncIterable<Page>) =>
      (query: Query): AsyncIterable<Page> => {
        assertOpen()
        return inWords(read(query), failure)
      },
  }
}

async function* inWords<Page>(pages: AsyncIterable<Page>, failure: (error: unknown) => unknown): AsyncGenerator<Page> {
  try {
    yield* pages
  } catch (error) {
    throw failure(error)
  }
}
