import { describe, expect, test } from 'vitest'
import type { GenerationRecord } from '../../../src/core/records.ts'
import type { Sent } from '../../../src/core/ports.ts'
import { periodAt } from '../../../src/core/billing/budget.ts'
import { accountBook, onBudget, quotedAt } from './account-book.ts'
import { createWorld, done, failed, onDisk, pending, planned, runFor, says, settled, type Script } from '../generation/world.ts'

const bill = (amount: string): Sent =>
  says({
    kind: 'done',
    images: [{ source: { kind: 'url', url: 'https://cdn.example/1.jpg' } }],
    cost: { amount, raw: amount },
    taskId: 'vendor-1',
  })
const unbilled: Sent = says({ kind: 'done', images: [{ source: { kind: 'url', url: 'https://cdn.example/1.jpg' } }] })

function bookedWorld(script: Script) {
  const book = accountBook()
  const world = createWorld({ script, store: book.store })
  const drift = () => world.logged.filter(({ message }) => message.includes('another amount'))
  return { ...world, book, drift }
}

describe('the account of a generation', () => {
  test('has its quote, then the bill of the vendor', async () => {
    const world = bookedWorld(() => bill('0.04'))
    const record = await runFor(world, planned(['alpha']), 2_000)
    expect(world.book.lines(record.id)).toEqual(['quoted 0.04@alpha', 'billed 0.04@alpha'])
  })

  test('says computed where the vendor reports no cost, and unknown without an amount where nobody can say', async () => {
    const computed = bookedWorld(() => unbilled)
    expect(computed.book.lines((await runFor(computed, planned(['alpha']), 2_000)).id)).toEqual([
      'quoted 0.04@alpha',
      'computed 0.04@alpha',
    ])
    const unknown = bookedWorld(() => ({ kind: 'lost', reason: 'reset' }))
    expect(unknown.book.lines((await runFor(unknown, planned(['alpha']), 2_000)).id)).toEqual(['quoted 0.04@alpha', 'unknown null@alpha'])
  })

  test('has one settlement for each attempt, the free ones included', async () => {
    const world = bookedWorld((_, provider) => (provider === 'alpha' ? failed('insufficient_credit', false) : bill('0.04')))
    const record = await runFor(world, planned(['alpha', 'beta']), 5_000)
    expect(world.book.lines(record.id)).toEqual(['quoted 0.04@alpha', 'computed 0@alpha', 'billed 0.04@beta'])
  })

  test('loses no line to a write that the disk refused: the next one makes up for it', async () => {
    const book = accountBook()
    let refusals = 0
    const commit: typeof book.store.commit = async (unit) => {
      const settles = unit.ledger?.some(({ kind }) => kind === 'computed')
      if (settles && refusals++ === 0) throw new Error('disk full')
      return book.store.commit(unit)
    }
    const script: Script = (_, provider) => (provider === 'alpha' ? failed('insufficient_credit', false) : bill('0.04'))
    const world = createWorld({ script, store: { ...book.store, commit } })
    const record = planned(['alpha', 'beta'])
    await world.run.accept(record, null)
    await world.clock.pass(5_000)
    expect(refusals).toBeGreaterThan(1)
    // The intent to buy at beta is a write of its own, which brings along what the disk refused before.
    expect(book.lines(record.id)).toEqual(['quoted 0.04@alpha', 'computed 0@alpha', 'billed 0.04@beta'])
  })

  test('is settled once by a server that was killed and one that takes over', async () => {
    const book = accountBook()
    const first = createWorld({ script: () => pending(), store: book.store })
    const record = planned(['alpha'])
    await first.run.accept(record, null)
    await settled()
    for (const _ of [1, 2]) {
      const next = createWorld({ script: () => bill('0.04'), store: book.store })
      await next.run.resume()
      await next.clock.pass(60_000)
    }
    await first.clock.pass(5_000)
    expect(book.lines(record.id)).toEqual(['quoted 0.04@alpha', 'billed 0.04@alpha'])
  })

  test('is settled once, when the submit of a canceled task is answered after all', async () => {
    let answer: (sent: Sent) => void = () => {}
    const world = bookedWorld(() => new Promise((resolve) => (answer = resolve)))
    const record = onBudget(planned(['alpha']), '1')
    await world.run.accept(record, null)
    await settled()
    await world.run.cancel(record.id)
    expect(world.book.lines(record.id)).toEqual(['quoted 0.04@alpha', 'reserved 0.04@alpha'])
    answer(pending({ cost: { amount: '0.05', raw: 5 } }))
    await world.clock.pass(100)
    expect(world.book.lines(record.id).slice(2)).toEqual(['billed 0.05@alpha', 'released -0.01@alpha'])
    expect((await onDisk(world, record.id)).attempts[0]?.settled).toMatchObject({ amount: '0.05', basis: 'billed' })
    expect(world.book.used()).toEqual({ 'team total': '0.05' })
  })
})

describe('a bill that differs from its quote', () => {
  test.each([
    ['0.0405', '+1.3%'],
    ['0.03', '-25.0%'],
  ])('by more than a hundredth is written to the log once, in fields: %s', async (amount, drift) => {
    const world = bookedWorld(() => bill(amount))
    const record = await runFor(world, planned(['alpha']), 5_000)
    expect(world.drift()).toEqual([
      expect.objectContaining({
        level: 'warn',
        fields: { generation: record.id, attempt: 'att_1', provider: 'alpha', model: 'model-x', quoted: '0.04', billed: amount, drift },
      }),
    ])
  })

  test.each(['0.0404', '0.0396', '0.04'])('by a hundredth or less is not worth a word: %s', async (amount) => {
    const world = bookedWorld(() => bill(amount))
    await runFor(world, planned(['alpha']), 5_000)
    expect(world.drift()).toEqual([])
  })
})

describe('a reservation', () => {
  const runs = async (script: Script, record: GenerationRecord) => {
    const world = bookedWorld(script)
    const ended = await runFor(world, record, 30_000)
    return { world, ended, lines: world.book.lines(record.id), used: world.book.used() }
  }

  test('is held before the first call, and nothing is called where it does not fit', async () => {
    const world = bookedWorld(() => {
      expect(world.book.used()).toEqual({ 'team total': '0.04' })
      return bill('0.04')
    })
    await expect(world.run.accept(onBudget(planned(['alpha']), '0.03'), null)).rejects.toMatchObject({
      code: 'budget_exceeded',
      message: expect.stringContaining('0.03 of 0.03 USD is left; it does not renew'),
    })
    expect([world.submits(), world.run.openCount, world.run.inFlight('alpha')]).toEqual([0, 0, 0])
    expect((await runFor(world, onBudget(planned(['alpha']), '0.04'), 2_000)).status).toBe('succeeded')
    expect(world.submits()).toBe(1)
  })

  test('becomes what was billed', async () => {
    const { lines, used } = await runs(() => bill('0.03'), onBudget(planned(['alpha']), '1'))
    expect(lines.slice(1)).toEqual(['reserved 0.04@alpha', 'billed 0.03@alpha', 'released 0.01@alpha'])
    expect(used).toEqual({ 'team total': '0.03' })
  })

  test('grows by what was billed beyond it', async () => {
    const { lines, used } = await runs(() => bill('0.05'), onBudget(planned(['alpha']), '1'))
    expect([lines.at(-1), used]).toEqual(['released -0.01@alpha', { 'team total': '0.05' }])
  })

  test('is given back whole after a failure that provably cost nothing', async () => {
    const { lines, used } = await runs(() => failed('provider_rejected', false), onBudget(planned(['alpha']), '1'))
    expect([lines.at(-1), used]).toEqual(['released 0.04@alpha', { 'team total': '0' }])
  })

  test('keeps counting at the quote where the outcome is unknown', async () => {
    const { lines, used } = await runs(() => ({ kind: 'lost', reason: 'reset' }), onBudget(planned(['alpha']), '1'))
    expect([lines.slice(2), used]).toEqual([['unknown null@alpha', 'released 0@alpha'], { 'team total': '0.04' }])
  })

  test('of a batch counts each task: what is unknown at its share, what is free not at all', async () => {
    const answers: Sent[] = [bill('0.01'), { kind: 'lost', reason: 'reset' }, failed('moderated', false), bill('0.01')]
    const { used } = await runs(
      () => answers.shift() ?? failed('moderated', false),
      onBudget(planned(['alpha'], { tasks: [1, 1, 1, 1] }), '1'),
    )
    expect(used).toEqual({ 'team total': '0.03' })
  })

  test('is raised before a dearer provider is asked, and only by the difference', async () => {
    const script: Script = (_, provider) => (provider === 'alpha' ? failed('insufficient_credit', false) : bill('0.06'))
    const { lines, used, ended } = await runs(script, onBudget(quotedAt(planned(['alpha', 'beta']), '0.03', '0.06'), '0.06'))
    expect(lines).toEqual([
      'quoted 0.03@alpha',
      'reserved 0.03@alpha',
      'computed 0@alpha',
      'reserved 0.03@beta',
      'billed 0.06@beta',
      'released 0@beta',
    ])
    expect([ended.status, used]).toEqual(['succeeded', { 'team total': '0.06' }])
  })

  test('that cannot be raised passes over the dearer provider, on to one that fits', async () => {
    const script: Script = (_, provider) => (provider === 'alpha' ? failed('insufficient_credit', false) : bill('0.03'))
    const { world, ended } = await runs(script, onBudget(quotedAt(planned(['alpha', 'beta', 'gamma']), '0.03', '0.06', '0.03'), '0.05'))
    expect(ended.attempts.map(({ route }) => route)).toEqual([0, 2])
    expect(world.calls.some(({ provider }) => provider === 'beta')).toBe(false)
    expect(world.book.used()).toEqual({ 'team total': '0.03' })
  })

  test('that cannot be raised at all ends the generation, and says what it would have taken', async () => {
    const { ended, used, world } = await runs(
      () => failed('insufficient_credit', false),
      onBudget(quotedAt(planned(['alpha', 'beta']), '0.03', '0.06'), '0.05'),
    )
    expect(ended).toMatchObject({
      status: 'failed',
      error: {
        code: 'budget_exceeded',
        billed: false,
        message: expect.stringMatching(/alpha failed \(insufficient_credit\) and beta .*0\.02 of 0\.05/),
      },
    })
    expect([world.submits(), used]).toEqual([1, { 'team total': '0' }])
  })

  test('is raised once by a server that was killed in between and one that takes over', async () => {
    const book = accountBook()
    let raised = 0
    const commit: typeof book.store.commit = async (unit) => {
      await book.store.commit(unit)
      if (unit.ledger?.some(({ kind, provider }) => kind === 'reserved' && provider === 'beta')) {
        raised++
        // The rest of this server never happens.
        await new Promise(() => {})
      }
    }
    const script: Script = (_, provider) => (provider === 'alpha' ? failed('insufficient_credit', false) : bill('0.06'))
    const killed = createWorld({ script, store: { ...book.store, commit } })
    const record = onBudget(quotedAt(planned(['alpha', 'beta']), '0.03', '0.06'), '1')
    await killed.run.accept(record, null)
    await settled()
    expect([raised, book.used()]).toEqual([1, { 'team total': '0.06' }])
    const next = createWorld({ script, store: book.store })
    Object.assign(next.ports.ids, { attempt: () => 'att_of_the_next_server' })
    await next.run.resume()
    await next.clock.pass(5_000)
    expect(book.lines(record.id)).toEqual([
      'quoted 0.03@alpha',
      'reserved 0.03@alpha',
      'computed 0@alpha',
      'reserved 0.03@beta',
      'billed 0.06@beta',
      'released 0@beta',
    ])
    expect(book.used()).toEqual(book.reckoned())
  })

  test('of a canceled generation is given back where nothing was bought', async () => {
    const world = bookedWorld(() => pending())
    const blocker = Array.from({ length: 8 }, () => onBudget(planned(['alpha']), '1'))
    for (const record of blocker) await world.run.accept(record, null)
    const waiting = onBudget(planned(['alpha']), '1')
    await world.run.accept(waiting, null)
    await world.run.cancel(waiting.id)
    expect(world.book.lines(waiting.id).slice(2)).toEqual(['computed 0@alpha', 'released 0.04@alpha'])
    expect(world.book.used()).toEqual({ 'team total': '0.32' })
  })

  test('never lets a hundred at once spend more than there is, whatever they end in', async () => {
    const answers = [
      () => bill('0.04'),
      () => failed('moderated', false),
      (): Sent => ({ kind: 'lost', reason: 'reset' }),
      () => done('https://cdn.example/1.jpg'),
    ]
    let turn = 0
    const world = bookedWorld(() => (answers[turn++ % answers.length] ?? (() => unbilled))())
    const records = Array.from({ length: 100 }, () => onBudget(planned(['alpha']), '0.4'))
    const accepted = await Promise.allSettled(records.map((record) => world.run.accept(record, null)))
    expect(accepted.filter(({ status }) => status === 'fulfilled')).toHaveLength(10)
    await world.clock.pass(120_000)
    expect(world.book.used()).toEqual(world.book.reckoned())
    expect(world.run.openCount).toBe(0)
  })

  test.each(['rate_limited', 'insufficient_credit', 'provider_rejected', 'provider_unauthorized'] as const)(
    'of a canceled generation is given back where the vendor refuses the submit that was on its way: %s',
    async (code) => {
      let answer: (sent: Sent) => void = () => {}
      const world = bookedWorld(() => new Promise((resolve) => (answer = resolve)))
      const record = onBudget(planned(['alpha']), '1')
      await world.run.accept(record, null)
      await settled()
      await world.run.cancel(record.id)
      answer(says({ kind: 'refused', failure: { code, message: 'refused', billed: false } }))
      await world.clock.pass(100)
      expect(world.book.lines(record.id).slice(2)).toEqual(['computed 0@alpha', 'released 0.04@alpha'])
      expect(world.book.used()).toEqual({ 'team total': '0' })
    },
  )

  test('of a task that runs over midnight counts once, in the day of its acceptance', async () => {
    const midnight = Date.UTC(2026, 10, 28)
    const on = (instant: number, record: GenerationRecord): GenerationRecord => ({
      ...record,
      key: 'team',
      createdAt: instant,
      reserved: { ...periodAt('day', instant), limit: '0.05', amount: '0.04' },
    })
    const world = bookedWorld((call) => (call.purpose === 'submit' ? pending() : bill('0.04')))
    await world.clock.pass(midnight - 500 - world.clock.now())
    const late = await runFor(world, on(midnight - 500, planned(['alpha'])), 5_000)
    expect(world.book.lines(late.id)).toEqual(['quoted 0.04@alpha', 'reserved 0.04@alpha', 'billed 0.04@alpha', 'released 0@alpha'])
    // The new day has nothing in it yet, so a request that fits the whole budget is taken.
    const { period, periodStart } = periodAt('day', midnight + 6_000)
    expect(await world.store.budgetUsed('team', period, periodStart)).toBe('0')
    await runFor(world, on(midnight + 6_000, planned(['alpha'])), 5_000)
    expect(world.book.used()).toEqual({ 'team 2026-11-27': '0.04', 'team 2026-11-28': '0.04' })
    expect(world.book.used()).toEqual(world.book.reckoned())
  })
})
