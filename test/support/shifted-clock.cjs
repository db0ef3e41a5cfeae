// Loaded by test/setup.ts into the tests, and by NODE_OPTIONS into each process they start: there it is TEST_DAYS_LATER days later. Only the calendar is
// moved; timers and the steady clock go as they do.
const DAYS = Number(process.env.TEST_DAYS_LATER ?? 0)
const shiftMs = DAYS * 86_400_000
if (!Number.isFinite(shiftMs)) throw new Error('TEST_DAYS_LATER is no number of days')
const RealDate = globalThis.Date
if (shiftMs !== 0 && !globalThis.isClockShifted) {
  globalThis.isClockShifted = true
  globalThis.Date = class Date extends RealDate {
    constructor(...parts) {
      if (parts.length === 0) super(RealDate.now() + shiftMs)
      else super(...parts)
    }
    static now() {
      return RealDate.now() + shiftMs
    }
  }
}
