import { Counter, Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { createTally } from '../../src/monitoring/tally.ts'

const COUNTER = { name: 'counted_total', help: 'What was counted.', labelNames: ['provider', 'code'] } as const

test('a tally reads as the counter of prom-client does at each reading, series that stand at zero included', async () => {
  const [plain, tallied] = [new Registry(), new Registry()]
  const counter = new Counter({ ...COUNTER, registers: [plain] })
  const tally = createTally({ ...COUNTER, registers: [tallied] })
  const count = (provider: string, code: string | number, amount?: number): void => {
    counter.inc({ provider, code }, amount)
    tally.inc({ provider, code }, amount)
  }
  for (let reading = 0; reading < 3; reading++) {
    count('bfl', 'ok', 0)
    for (let at = 0; at < 20; at++) count(['bfl', 'fal'][at % 2] ?? '', at % 3, at % 5)
    count('runware', 'ok')
    expect(await tallied.metrics()).toBe(await plain.metrics())
    expect(await tallied.metrics()).toBe(await plain.metrics())
  }
})
