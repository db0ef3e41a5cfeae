import { afterAll, beforeAll } from 'vitest'
import nock from 'nock'

// No test reaches anything but servers it started itself on loopback.
beforeAll(() => {
  nock.disableNetConnect()
  nock.enableNetConnect(/^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/)
})
afterAll(() => {
  nock.cleanAll()
  nock.restore()
})
