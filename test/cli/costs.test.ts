import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { CostFigures, CostReport } from '#contract'
import { runCommandLine } from '../../src/cli/command-line.ts'
import { costReport } from '../../src/cli/cost-table.ts'
import { lastMonth } from '../../src/cli/month.ts'
import { fakeGateway, fakeTerminal } from './fake-gateway.ts'

const cheapest: CostFigures['cheapest'] = {
  provider: 'zenith',
  amount: '0.06',
  spent: '0.08',
  saving: '0.02',
  vs_spent: '-25.0%',
  images: 2,
  next: { provider: 'acme', amount: '0.08', difference: '0.02', vs_cheapest: '+33.3%' },
}
const whatIf: CostFigures['what_if'] = [
  {
    provider: 'zenith',
    amount: '0.06',
    spent: '0.08',
    vs_spent: '-25.0%',
    images: 2,
    not_priced: 0,
    cost_unknown: 1,
    full_coverage: true,
    rank: 1,
    vs_cheapest: '+0.0%',
    leaves_out: [{ images: 1, reason: 'their own cost is not known' }],
  },
  {
    provider: 'quiet',
    amount: null,
    spent: '0',
    vs_spent: null,
    images: 0,
    not_priced: 2,
    cost_unknown: 0,
    full_coverage: false,
    rank: null,
    vs_cheapest: null,
    leaves_out: [{ images: 2, reason: 'm has no published price there' }],
  },
]
const figures: CostFigures = {
  spend: '0.1',
  count: 3,
  generations: 3,
  attempts: 4,
  images: 2,
  cost_per_image: '0.05',
  wasted: { amount: '0.02', failed: '0.02', moderated: '0', unknown: '0.03' },
  unknown_cost_generations: 1,
  drift: { quoted: '0.08', billed: '0.1', amount: '0.02', percent: '+25.0%' },
  what_if: whatIf,
  cheapest,
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
  filters: {},
  what_if: whatIf,
  cheapest,
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
    const numbers = ['$0.1', '3', '2', '$0.05', '$0.02 (+ $0.03 perhaps)', '1', '$0.02 (+25.0%)', 'zenith -25.0%']
    expect(cells).toContainEqual(['acme', '–', ...numbers])
    expect(cells).toContainEqual(['all', ...numbers])
    expect(cells).toContainEqual(['1', 'zenith', '$0.06', '$0.08', '-25.0%', '+0.0%', '2', '1: their own cost is not known'])
    expect(cells).toContainEqual(['–', 'quiet', '–', '–', '–', '–', '0', '2: m has no published price there'])
    expect(out).toContain(
      'Cheapest for these 2 images: zenith at $0.06, $0.02 less than was spent (-25.0%). Next: acme at $0.08, $0.02 more (+33.3%).',
    )
    expect(out).toContain('budget of team: $3 of $5 left, $2 used (a month, anew at 2026-12-01T00:00:00.000Z)')
  })

  test('asks for a range and a grouping, with the key', async () => {
    const { heard } = await run(['--from', '2026-11-01', '--to', '2026-11-30', '--group-by', 'day,key', '--group-by', 'model'], report)
    expect(heard[0]).toMatchObject({
      path: '/v1/costs?from=2026-11-01&to=2026-11-30&group_by=day%2Ckey%2Cmodel',
      headers: { authorization: 'Bearer k' },
    })
  })

  test('asks for a calendar month and for images like ours', async () => {
    const like = ['--model', 'm', '--megapixels', '2', '--of-key', 'team', '--fidelity', 'near', '--metadata', 'project=a=b']
    const { heard } = await run(['--month', '2026-02', '--provider', 'acme', ...like], report)
    expect(Object.fromEntries(new URL(heard[0]?.path ?? '', 'http://x').searchParams)).toEqual({
      from: '2026-02-01',
      to: '2026-02-28',
      provider: 'acme',
      model: 'm',
      megapixels: '2',
      key: 'team',
      fidelity: 'near',
      'metadata.project': 'a=b',
    })
    const last = lastMonth(new Date())
    expect((await run(['--last-month'], report)).heard[0]?.path).toContain(`from=${last}-01&to=${last}-`)
    expect([lastMonth(new Date('2026-01-31T23:00:00Z')), lastMonth(new Date('2026-03-31T12:00:00Z'))]).toEqual(['2025-12', '2026-02'])
  })

  test.each([
    [['--month', '2026-13'], '--month 2026-13: write year and month'],
    [['--month', '2026-10', '--last-month'], 'give one of them'],
    [['--month', '2026-10', '--from', '2026-10-02'], 'leave them out beside a month'],
    [['--metadata', 'project'], '--metadata project: write key=value'],
  ])('refuses %j before anything is asked', async (args, message) => {
    const { code, err, heard } = await run(args, report)
    expect([code, heard]).toEqual([2, []])
    expect(err).toContain(message)
  })

  test('says where even the cheapest asks more today than was spent', () => {
    const cheapest = report.cheapest && { ...report.cheapest, amount: '0.09', saving: '-0.01', vs_spent: '+12.5%', next: null }
    expect(costReport({ ...report, cheapest })).toContain(
      'What was spent for these 2 images is less than anybody asks today. The cheapest is zenith at $0.09, $0.01 more than was spent (+12.5%).',
    )
  })

  test('names the month and the filters it is about', () => {
    const october = { from: '2026-10-01T00:00:00.000Z', to: '2026-11-01T00:00:00.000Z' }
    const text = costReport({ ...report, ...october, filters: { model: 'm', megapixels: 2, metadata: { project: 'north' } } })
    expect(text.split('\n')[0]).toBe('Costs in 2026-10 of model m, 2 megapixels, project=north')
    expect(text).toContain('Cheapest in 2026-10 for these 2 images: zenith')
    const days = { from: '2026-10-02T00:00:00.000Z', to: '2026-10-04T00:00:00.000Z' }
    expect(costReport({ ...report, ...days }).split('\n')[0]).toBe('Costs from 2026-10-02 to 2026-10-03')
  })

  test('writes the CSV into a file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'imagegate-costs-'))
    try {
      const { out, err } = await run(['--csv', join(folder, 'costs.csv')], 'a,b\r\n1,2\r\n')
      expect([out, readFileSync(join(folder, 'costs.csv'), 'utf8')]).toEqual(['', 'a,b\r\n1,2\r\n'])
      expect(err).toContain('costs.csv: 1 row')
      expect(await run(['--csv', join(folder, 'no', 'costs.csv')], 'a,b\r\n')).toMatchObject({
        code: 1,
        err: expect.stringContaining('--csv'),
      })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
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
    expect(costReport({ ...report, groups: [], total: { ...figures, attempts: 0 }, budgets: [] })).toBe('Costs: nothing was bought.')
  })
})
