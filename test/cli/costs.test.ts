import { describe, expect, test } from 'vitest'
import type { CostFigures, CostReport } from '#contract'
import { runCommandLine } from '../../src/cli/command-line.ts'
import { costReport } from '../../src/cli/costs.ts'
import { fakeGateway, fakeTerminal } from './fake-gateway.ts'

const figures: CostFigures = {
  spend: '0.1',
  generations: 3,
  attempts: 4,
  images: 2,
  cost_per_image: '0.05',
  wasted: { amount: '0.02', failed: '0.02', moderated: '0', unknown: '0.03' },
  unknown_cost_generations: 1,
  drift: { quoted: '0.08', billed: '0.1', amount: '0.02', percent: '+25.0%' },
  what_if: [
    { provider: 'zenith', amount: '0.06', spent: '0.08', vs_spent: '-25.0%', images: 2, not_priced: 0, cost_unknown: 1 },
    { provider: 'quiet', amount: null, spent: '0', vs_spent: null, images: 0, not_priced: 2, cost_unknown: 1 },
  ],
}
const report: CostReport = {
  object: 'costs',
  currency: 'USD',
  from: null,
  to: null,
  group_by: ['provider', 'metadata.project'],
  key: null,
  groups: [{ group: { provider: 'acme', 'metadata.project': null }, ...figures }],
  total: figures,
  budgets: [{ key: 'team', limit: '5', period: 'month', used: '2', left: '3', renews_at: '2026-12-01T00:00:00.000Z' }],
}

async function run(args: readonly string[], body: unknown, status = 200) {
  const { url, heard } = await fakeGateway(({ path }) =>
    path === '/v1/models' ? { body: { object: 'list', data: [] } } : { status, body },
  )
  const terminal = fakeTerminal()
  const code = await runCommandLine(['costs', '--url', url, '--key', 'k', ...args], terminal)
  return { code, out: terminal.stdout(), err: terminal.stderr(), heard: heard.filter(({ path }) => path !== '/v1/models') }
}

describe('imagegate costs', () => {
  test('shows groups, their sum, what the same would have cost elsewhere, and budgets', async () => {
    const { code, out } = await run([], report)
    expect(code).toBe(0)
    const cells = out.split('\n').map((line) => line.trim().split(/ {2,}/))
    const numbers = ['$0.1', '3', '2', '$0.05', '$0.02 (+ $0.03 perhaps)', '1', '$0.02 (+25.0%)']
    expect(cells).toContainEqual(['acme', '–', ...numbers])
    expect(cells).toContainEqual(['all', ...numbers])
    expect(cells).toContainEqual(['zenith', '$0.06', '$0.08', '-25.0%', '2', '0', '1'])
    expect(cells).toContainEqual(['quiet', '–', '–', '–', '0', '2', '1'])
    expect(out).toContain('budget of team: $3 of $5 left, $2 used (a month, anew at 2026-12-01T00:00:00.000Z)')
  })

  test('asks for a range and a grouping, with the key', async () => {
    const { heard } = await run(['--from', '2026-11-01', '--to', '2026-11-30', '--group-by', 'day,key', '--group-by', 'model'], report)
    expect(heard[0]).toMatchObject({
      path: '/v1/costs?from=2026-11-01&to=2026-11-30&group_by=day%2Ckey%2Cmodel',
      headers: { authorization: 'Bearer k' },
    })
  })

  test('prints JSON, or the CSV as it came', async () => {
    expect(JSON.parse((await run(['--json'], report)).out)).toEqual(report)
    const csv = await run(['--csv', '--from', '2026-11-01'], 'a,b\r\n1,2\r\n')
    expect([csv.out, csv.heard[0]?.path]).toEqual(['a,b\r\n1,2', '/v1/costs?from=2026-11-01&format=csv'])
  })

  test.each([[[]], [['--csv']]])('says what the gateway refuses, and fails: %j', async (args) => {
    const problem = { type: 't', title: 'Bad Request', status: 400, detail: 'to: is before from', code: 'invalid_request' }
    expect(await run(args, problem, 400)).toMatchObject({ code: 1, out: '', err: expect.stringContaining('imagegate: to: is before from') })
  })

  test('says so where nothing was bought', () => {
    expect(costReport({ ...report, groups: [], total: { ...figures, attempts: 0 }, budgets: [] })).toBe('Nothing was bought.')
  })
})
