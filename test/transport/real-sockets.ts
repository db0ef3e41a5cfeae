import nock from 'nock'
import { afterAll, beforeAll } from 'vitest'

/**
 * nock puts a socket of its own before every connection, which then counts as established whatever becomes of the real one.
 * A file about connections calls this and runs without it; it reaches nothing but loopback servers and names answered by `lookupOf`.
 */
export function useRealSockets(): void {
  beforeAll(() => nock.restore())
  afterAll(() => nock.activate())
}
