import './support/shifted-clock.cjs'
import { afterAll, beforeAll, expect } from 'vitest'
import fc from 'fast-check'
import nock from 'nock'
import { BARE_ENVIRONMENT } from './support/bare-environment.ts'
import { isTraced, leaks, traceRequests } from './support/traced.ts'

// Processes that inherit the environment of the tests have their calendar, too.
Object.assign(process.env, BARE_ENVIRONMENT)

// The same examples in every run: a failure can be repeated, and a green run stays green.
fc.configureGlobal({ seed: 20_261_121 })

// No test reaches anything but servers it started itself on loopback.
// The files of one worker share its modules, nock included: it stays on, and only its interceptors go with a file.
beforeAll(() => {
  nock.disableNetConnect()
  nock.enableNetConnect(/^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/)
})
afterAll(() => {
  nock.cleanAll()
})

if (isTraced) {
  beforeAll(traceRequests)
  // The last of all: gateways have ended by then.
  afterAll(async () => expect(await leaks(), 'canaries where they must not be').toEqual([]))
}
