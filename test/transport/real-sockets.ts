import nock from 'nock'
import { beforeAll } from 'vitest'

// nock puts a socket of its own before every connection, which then counts as established whatever becomes of the real one.
// Tests about connections run without it; they reach nothing but loopback servers and names answered by `lookupOf`.
beforeAll(() => nock.restore())
