import type { FastifyBaseLogger } from 'fastify'
import { expect, test } from 'vitest'
import type { Config } from '../../src/config/config.ts'
import { createReloadReport } from '../../src/gateway/report-reload.ts'

test('a reload that changes only what waits for a restart says so, and does not say that nothing changed', () => {
  const lines: string[] = []
  const log = { info: (_: object, line: string) => lines.push(line), warn: (_: object, line: string) => lines.push(line) }
  const started = { path: null, providers: new Map() } as unknown as Config
  const { report } = createReloadReport(log as unknown as FastifyBaseLogger, started, () => 0)
  report({ kind: 'unchanged', needRestart: ['server.port'] })
  report({ kind: 'unchanged', needRestart: [] })
  expect(lines).toEqual([
    'the configuration was read again; server.port can only change at a restart',
    'the configuration was read again and has not changed',
  ])
})
