import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Reconciliation } from '#contract'
import type { CostReport, Generation } from '#contract'
import { runCommandLine } from '../../src/cli/command-line.ts'
import { fakeTerminal } from '../cli/fake-gateway.ts'
import { launchProcess } from '../e2e/gateway-process.ts'
import { json, problem } from '../e2e/gateway.ts'
import type { Gateway } from '../e2e/gateway.ts'
import { useRealSockets } from '../transport/real-sockets.ts'
import { startBillingVendor } from './billing-vendor.ts'
import type { BillingVendor } from './billing-vendor.ts'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'

useRealSockets()

const keyHash = (key: string) => createHash('sha256').update(key).digest('hex')
const bearer = (key: string) => ({ authorization: `Bearer ${key}` })

let vendor: BillingVendor
let gateway: Gateway
let folder: string
const bought: Record<string, Generation> = {}

const buy = (name: string, prompt: string, key = 'team') =>
  gateway
    .generate({ model: 'bfl/flux-2-pro', width: 256, height: 256, prompt }, bearer(key))
    .then((generation) => void (bought[name] = generation))
const taskOf = (name: string): string => bought[name]?.attempts[0]?.provider_task_id ?? `no task of ${name}`
const costs = async (query = '') => json<CostReport>(await gateway.ask(`/v1/costs?${query}`, { headers: bearer('boss') }))
const show = async (name: string) => json<Generation>(await gateway.ask(`/v1/generations/${bought[name]?.id}`, { headers: bearer('boss') }))

const send = (file: string, query = '', headers: Record<string, string> = {}) =>
  gateway.ask(`/v1/reconciliations?${query}`, {
    method: 'POST',
    headers: { 'content-type': 'text/csv', ...bearer('boss'), ...headers },
    body: file,
  })
async function reconcile(file: string, query = '', headers: Record<string, string> = {}): Promise<Reconciliation> {
  const reply = await send(file, query, headers)
  if (reply.status !== 200) throw new Error(`${reply.status}: ${await reply.text()}`)
  return Reconciliation.parse(await reply.json())
}
const outcomes = ({ rows }: Reconciliation) => rows.map(({ outcome, task_id }) => [outcome, task_id])

beforeAll(async () => {
  vendor = await startBillingVendor()
  folder = mkdtempSync(join(tmpdir(), 'imagegate-invoice-'))
  const keys = [
    `{ name: team, key_hash: ${keyHash('team')}, budget_usd: "1" }`,
    `{ name: boss, key_hash: ${keyHash('boss')}, admin: true }`,
  ]
  const providers = `{ bfl: { api_key: a-key, base_url: "${vendor.url}" } }`
  gateway = await launchProcess({ config: `keys: [${keys.join(', ')}]\nproviders: ${providers}` })
  await buy('plain', 'a lighthouse')
  await buy('other', 'a lighthouse, cost:4')
  await buy('disbelieved', 'cost:500')
  await buy('unknown', 'cost:none')
  await buy('missing', 'a lighthouse')
}, 120_000)
afterAll(async () => {
  await gateway.close()
  await vendor.close()
  rmSync(folder, { recursive: true, force: true })
})

const invoice = () =>
  [
    'Date,Task ID,Model,Credits,Note',
    `2026-11-01,${taskOf('plain')},flux-2-pro,3,`,
    `2026-11-01,${taskOf('other')},flux-2-pro,4.5,"two lines,`,
    'and a ""quote"""',
    `2026-11-01,${taskOf('disbelieved')},flux-2-pro,250,first`,
    `2026-11-01,${taskOf('disbelieved')},flux-2-pro,250,second`,
    `2026-11-01,${taskOf('unknown')},flux-2-pro,1.5,`,
    '2026-11-01,task-of-somebody-else,flux-2-pro,3,',
    ',,Total,512,',
  ].join('\r\n')

describe('a reconciliation', () => {
  test('explains every line of an invoice and every purchase that is not on it, and writes nothing unless it is asked to', async () => {
    const found = await reconcile(invoice())
    expect(found).toMatchObject({
      applied: false,
      columns: { task: 'Task ID', amount: 'Credits', currency: null },
      providers: ['bfl'],
      lines: 7,
      invoiced: '5.12',
    })
    const explained = found.rows.map(({ outcome, task_id, lines, invoiced, recorded, difference, explanation }) => [
      [outcome, task_id, lines, invoiced, recorded, difference],
      explanation,
    ])
    expect(explained).toEqual([
      [
        ['differs', taskOf('other'), [3], '0.045', '0.04', '0.005'],
        expect.stringMatching(
          /^The invoice has 0\.005 USD more than the account, which has 0\.04, billed by the provider in its reply, quoted at 0\.03\./,
        ),
      ],
      [
        ['confirmed', taskOf('disbelieved'), [5, 6], '5', null, null],
        'A bill of 5 was not believed; the invoice confirms it, and the cost would be settled at 5.',
      ],
      [
        ['settled', taskOf('unknown'), [7], '0.015', null, null],
        expect.stringMatching(/^The cost was unknown \(.*\) and would be settled at 0\.015\.$/),
      ],
      [
        ['unknown_task', 'task-of-somebody-else', [8], '0.03', null, null],
        'Nothing was bought under this id through this gateway. If it is a purchase whose reply was lost, attach it.',
      ],
      [
        ['not_on_invoice', taskOf('missing'), [], null, '0.03', null],
        expect.stringMatching(/^Bought for 0\.03 on \d{4}-\d\d-\d\d, and not on the invoice\.$/),
      ],
      [['unreadable', null, [9], '5.12', null, null], 'line 9 names no task: a total or a fee is not matched.'],
      [['equal', taskOf('plain'), [2], '0.03', '0.03', '0'], 'The invoice has what the account has.'],
    ])
    expect(found.summary).toMatchObject({
      differs: { count: 1, difference: '0.005' },
      equal: { count: 1, invoiced: '0.03', recorded: '0.03' },
    })
    expect(await costs()).toMatchObject({ total: { spend: '0.1', unknown_cost_generations: 2 } })
  })

  test('that is applied settles what was unknown everywhere to the digit, and a second time changes nothing', async () => {
    const budget = async () => (await costs()).budgets[0]?.used
    // Unknown costs count at their quotes.
    expect(await budget()).toBe('0.16')
    const first = await reconcile(invoice(), 'apply=true')
    expect(first.applied).toBe(true)
    expect(first.summary).toMatchObject({ settled: { count: 1 }, confirmed: { count: 1 } })
    const after = await costs('group_by=provider')
    // 0.03 + 0.04 + 5 + 0.015 + 0.03
    expect(after).toMatchObject({ total: { spend: '5.115', unknown_cost_generations: 0, wasted: { failed: '0.015', unknown: '0' } } })
    expect(await budget()).toBe('5.115')
    expect((await show('disbelieved')).cost).toMatchObject({ quoted: '0.03', amount: '5', basis: 'billed' })
    expect((await show('disbelieved')).attempts[0]?.cost).toMatchObject({ amount: '5', basis: 'billed', reported: '5' })
    expect((await show('unknown')).cost).toMatchObject({
      amount: '0.015',
      lines: [{ what: 'as invoiced by the provider', amount: '0.015' }],
    })

    const ledger = await (await gateway.ask('/v1/costs?format=csv', { headers: bearer('boss') })).text()
    const second = await reconcile(invoice(), 'apply=true')
    expect(second.summary).toMatchObject({ settled: { count: 0 }, confirmed: { count: 0 }, equal: { count: 3 }, differs: { count: 1 } })
    expect(await (await gateway.ask('/v1/costs?format=csv', { headers: bearer('boss') })).text()).toBe(ledger)
    expect([await budget(), (await costs()).total.spend]).toEqual(['5.115', '5.115'])
  })

  test('of the CSV of our own costs finds nothing to explain', async () => {
    const own = await (await gateway.ask('/v1/costs?format=csv&provider=bfl', { headers: bearer('boss') })).text()
    const found = await reconcile(own)
    expect(found.columns).toEqual({ task: 'provider_task_id', amount: 'amount_usd', currency: null })
    // The lines of what was settled later have no amount of their own.
    expect(new Set(outcomes(found).map(([outcome]) => outcome))).toEqual(new Set(['unreadable', 'equal']))
  })

  test('takes JSON lines, other separators, named columns, units and our own attempt ids', async () => {
    const own = await (await gateway.ask('/v1/costs?format=csv', { headers: bearer('boss') })).text()
    const attemptId = /gen_\w+,(att_\w+)/.exec(own.split('\r\n').find((row) => row.includes(bought['other']?.id ?? '-')) ?? '')?.[1]
    const lines = [
      `{"taskUUID":"${taskOf('plain')}","cost":0.03,"currency":"USD"}`,
      `{"taskUUID":"${attemptId}","cost":"4","currency":"credits"}`,
      '',
    ]
    const asLines = await reconcile(lines.join('\n'), '', { 'content-type': 'application/x-ndjson' })
    expect(asLines.columns).toEqual({ task: 'taskUUID', amount: 'cost', currency: 'currency' })
    expect(asLines.summary.equal).toMatchObject({ count: 2, invoiced: '0.07' })
    const semicolons = await reconcile(`ref;betrag\n${taskOf('plain')};3`, 'task_column=ref&amount_column=betrag&unit=cents')
    expect(semicolons.summary.equal).toMatchObject({ count: 1, invoiced: '0.03' })
    expect((await reconcile(`id\tprice\n${taskOf('plain')}\t$0.030`)).summary.equal.count).toBe(1)
  })

  test('expects on the invoice only what was bought in the days and at the provider that are asked', async () => {
    const one = `id,amount\n${taskOf('plain')},0.03`
    expect((await reconcile(one, 'from=2020-01-01&to=2020-01-31')).summary.not_on_invoice.count).toBe(0)
    expect((await reconcile(one, 'from=2020-01-01')).summary.not_on_invoice.count).toBe(4)
    const elsewhere = await reconcile(one, 'provider=runware')
    expect(elsewhere).toMatchObject({ providers: ['runware'], summary: { unknown_task: { count: 1 }, not_on_invoice: { count: 0 } } })
  })

  test.each([
    ['id,amount,currency\na,1,EUR', '', 'currency', 'line 2 is in "EUR"; amounts are read in US dollars'],
    ['id,value\na,1', '', 'amount_column', 'no column is known to hold the amounts; name one of: id, value'],
    ['nummer,amount\na,1', '', 'task_column', 'no column is known to hold the vendor’s task ids'],
    ['id,amount\na,1', 'task_column=idd', 'task_column', 'did you mean "id"?'],
    ['id,amount,amount\na,1,2', '', 'amount_column', 'the invoice has 2 columns named "amount"'],
    ['id,id,amount\na,b,1', 'task_column=ID', 'task_column', 'the invoice has 2 columns named "id"'],
    ['id,amount,unit,unit\na,1,USD,EUR', '', 'currency_column', 'the invoice has 2 columns named "unit"'],
    ['', '', 'body', 'the file is empty'],
    ['id,amount\n"a,1', '', 'body', 'line 2: a quote is never closed'],
    ['id,amount\na,1', 'unit=euro', 'unit', ''],
    ['id,amount\na,1', 'aply=true', 'aply', ''],
    ['id,amount\na,1', 'from=2026-11-02&to=2026-10-31', 'to', 'is before from'],
  ])('refuses what it cannot read in words: %j %s', async (file, query, path, message) => {
    const reply = await send(file, query)
    expect(reply.status).toBe(400)
    expect((await problem(reply)).errors).toContainEqual({ path, message: expect.stringContaining(message) })
  })

  test('leaves a task alone one of whose lines cannot be read', async () => {
    const found = await reconcile(`id,amount\n${taskOf('plain')},0.03\n${taskOf('plain')},"0,03"\n${taskOf('other')},-0.04`)
    const [, ...rest] = found.rows.filter(({ outcome }) => outcome === 'unreadable' || outcome === 'differs')
    expect(rest).toEqual([
      expect.objectContaining({
        explanation: 'line 3: "0,03" is no amount; write it with a decimal point, for example 0.045, and at most 1000000 US dollars',
      }),
    ])
  })

  test('settles nothing at an amount that no image costs, however it is written, and keeps to its schema', async () => {
    await buy('unpaid', 'cost:none', 'boss')
    const before = await show('unpaid')
    for (const amount of ['9000000000', '1e20', '1e50', '-1e50', '10000.01', '999999.99', '9'.repeat(60)]) {
      const lines = [`${taskOf('unpaid')},${amount}`, `,${amount}`]
      const found = await reconcile(`id,amount\n${lines.join('\n')}\n`, 'apply=true&provider=bfl')
      const rows = found.rows.filter(({ lines: [line] }) => line === 2)
      expect([amount, rows.map(({ outcome, invoiced }) => [outcome, invoiced])]).toEqual([amount, [['unreadable', null]]])
    }
    const many = Array.from({ length: 20_000 }, () => `${taskOf('unpaid')},1000000`)
    const summed = await reconcile(`id,amount\n${many.join('\n')}\n`, 'apply=true')
    const row = summed.rows.find(({ task_id: task }) => task === taskOf('unpaid'))
    expect([summed.invoiced, row?.outcome]).toEqual(['20000000000', 'unreadable'])
    expect(await show('unpaid')).toEqual(before)
  })

  test('asks for admin scope, and says which files it reads', async () => {
    expect((await send('id,amount', '', bearer('team'))).status).toBe(403)
    const reply = await send('{}', '', { 'content-type': 'application/json' })
    expect([reply.status, (await problem(reply)).detail]).toEqual([415, expect.stringContaining('text/csv, or as JSON lines')])
  })
})

describe('imagegate reconcile', () => {
  const run = async (args: readonly string[]) => {
    const terminal = fakeTerminal()
    const code = await runCommandLine(['reconcile', '--url', gateway.url, '--key', 'boss', ...args], terminal)
    return { code, out: terminal.stdout(), err: terminal.stderr() }
  }
  /** The same as a process of its own. */
  const runOutside = (...args: readonly string[]) => {
    const program = resolve(import.meta.dirname, '../../src/cli/imagegate.ts')
    const env = { ...BARE_ENVIRONMENT, IMAGEGATE_URL: gateway.url, IMAGEGATE_KEY: 'boss' }
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { cwd: folder, env, encoding: 'utf8' })
    return { code: status, out: stdout, err: stderr }
  }

  test('prints what came of an invoice, and says whether anything was written', async () => {
    await buy('late', 'cost:none', 'boss')
    const file = join(folder, 'invoice.csv')
    writeFileSync(file, `id,amount\n${taskOf('late')},0.02\n${taskOf('other')},0.045\n${taskOf('plain')},0.03\n`)
    const dry = runOutside('reconcile', 'invoice.csv', '--provider', 'bfl')
    expect(dry).toMatchObject({ code: 0, err: '', out: expect.stringContaining('Nothing was written. --apply settles 1 unknown cost.') })
    const cells = dry.out.split('\n').map((line) => line.trim().split(/ {2,}/))
    expect(cells).toContainEqual(['differs', '1', '$0.045', '$0.04', '$0.005'])
    expect(cells).toContainEqual(['settled', taskOf('late'), 'bfl', '$0.02', '–', expect.stringContaining('would be settled at 0.02')])
    expect(runOutside('reconcile', file, '--apply').out).toContain('1 unknown cost settled.')
    expect((await run([file, '--apply'])).out).toContain('Nothing had to be settled.')
    expect((await show('late')).cost.amount).toBe('0.02')
    expect(runOutside('costs', '--group-by', 'key')).toMatchObject({ code: 0, err: '', out: expect.stringMatching(/^boss +.*\$0\.02/m) })
  })

  test('attaches the vendor’s task id to a purchase whose reply was lost: the cost is settled, and the purchase keeps the id', async () => {
    await buy('lost', 'cost:lost', 'boss')
    expect(bought['lost']).toMatchObject({ error: { code: 'outcome_unknown' }, attempts: [{ provider_task_id: null }] })
    const file = join(folder, 'lost.csv')
    writeFileSync(file, 'id,amount\ntask-on-the-invoice,0.03\n')
    const attach = ['--attach', `task-on-the-invoice=${bought['lost']?.id}`]
    expect((await run([file])).out).toContain('If it is a purchase whose reply was lost, attach it.')
    expect((await run([file, ...attach])).out).toContain('--apply settles 1 unknown cost.')
    expect((await run([file, ...attach, '--apply'])).out).toContain('1 unknown cost settled.')
    const { attempts, cost } = await show('lost')
    expect([attempts[0]?.provider_task_id, cost.amount]).toEqual(['task-on-the-invoice', '0.03'])
    // Known by its id from here on, with and without the attachment.
    for (const args of [[file], [file, ...attach]]) {
      const { summary } = JSON.parse((await run([...args, '--json'])).out) as Reconciliation
      expect(summary).toMatchObject({ equal: { count: 1 }, unknown_task: { count: 0 } })
    }
    expect(await gateway.ask('/v1/costs?format=csv', { headers: bearer('boss') }).then((reply) => reply.text())).toContain(
      'task-on-the-invoice',
    )
    for (const [wrong, why] of [
      ['task-on-the-invoice=gen_nothing', 'is no attempt or generation whose vendor’s task id is missing'],
      [`another-task=${bought['lost']?.id}`, 'the invoice has no task "another-task"'],
      ['task-on-the-invoice', 'write <vendor’s task id>=<attempt or generation id>'],
    ] as const)
      expect(await run([file, '--attach', wrong])).toMatchObject({ code: 1, err: expect.stringContaining(why) })
  })

  test('says what it cannot read', async () => {
    expect(await run([join(folder, 'none.csv')])).toMatchObject({ code: 1, err: expect.stringContaining('none.csv') })
    const file = join(folder, 'euros.jsonl')
    writeFileSync(file, '{"id":"a","amount":"1","currency":"EUR"}\n')
    expect(await run([file])).toMatchObject({ code: 1, err: expect.stringContaining('line 1 is in "EUR"') })
  })
})
