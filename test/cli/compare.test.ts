import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import type { Comparison, ComparisonRow, Quote } from '#contract'
import { runCommandLine } from '../../src/cli/command-line.ts'
import { quoteReport } from '../../src/cli/quote.ts'
import { liveText, watchComparison } from '../../src/cli/watch-comparison.ts'
import { temporaryFolder } from '../catalogue/fake-providers.ts'
import { comparisonRow as row, fakeGateway, fakeTerminal, generation, type Heard } from './fake-gateway.ts'

const running: Partial<ComparisonRow> = {
  status: 'running',
  amount: null,
  vs_cheapest: null,
  total_ms: null,
  images: 0,
  bytes: null,
  width: null,
  height: null,
}
const ineligible: Partial<ComparisonRow> = {
  ...running,
  status: 'ineligible',
  quoted: null,
  error_code: 'no_eligible_offer',
  reasons: ['n: at most 1'],
  generation_id: null,
}

const comparison = (summary: readonly ComparisonRow[], status: Comparison['status'] = 'succeeded'): Comparison => ({
  id: 'cmp_1',
  object: 'comparison',
  status,
  sandbox: true,
  created_at: '2026-11-21T10:00:00.000Z',
  completed_at: null,
  request: { model: 'big', prompt: 'a hill' },
  generations: summary.flatMap(({ provider, status: one, generation_id: id }) =>
    id === null || one === 'ineligible'
      ? []
      : [
          generation({
            id,
            provider,
            status: one,
            progress: one === 'running' ? 0.5 : null,
            ...(one === 'succeeded' ? {} : { images: [] }),
          }),
        ],
  ),
  summary: [...summary],
})

const image = await sharp({ create: { width: 60, height: 40, channels: 3, background: '#f00' } })
  .jpeg()
  .toBuffer()

/** A gateway whose comparison is running when it is accepted and has ended at the second poll. */
const gateway = (summary: readonly ComparisonRow[], status?: Comparison['status']) => {
  let polls = 0
  return fakeGateway(({ method, path }: Heard) => {
    if (path === '/v1/models') return { body: { object: 'list', data: [] } }
    if (path.startsWith('/v1/images/')) return { body: image }
    if (method === 'POST')
      return {
        status: 202,
        body: comparison(
          summary.map((one) => row(one.provider, running)),
          'running',
        ),
      }
    polls += 1
    return {
      body:
        polls < 2
          ? comparison(
              summary.map((one) => row(one.provider, running)),
              'running',
            )
          : comparison(summary, status),
    }
  })
}

describe('imagegate compare', () => {
  test('prints each change once, prints the rows with their reasons, and leaves images and a contact sheet', async () => {
    const { url, heard } = await gateway([row('north'), row('south', ineligible)])
    const folder = join(await temporaryFolder(), 'new')
    const terminal = fakeTerminal()
    const status = await runCommandLine(
      ['compare', 'a hill', '--model', 'big', '-n', '2', '--providers', 'north,south', '--url', url, '--out', folder],
      terminal,
    )
    expect(status).toBe(0)
    const posted = heard.find(({ method }) => method === 'POST')
    expect(posted).toMatchObject({ path: '/v1/comparisons', body: { model: 'big', prompt: 'a hill', n: 2, providers: ['north', 'south'] } })
    expect(posted?.headers['idempotency-key']).toMatch(/./)
    expect(terminal.stderr().match(/^north: /gm)).toHaveLength(2)
    expect(terminal.stderr()).toContain('north: succeeded, 5.3 s, $0.03')
    expect(terminal.stdout()).toMatch(/north +succeeded +5\.3 s +\$0\.03 +\$0\.03 +cheapest +1536×1024 +412 kB/)
    expect(terminal.stdout()).toMatch(/south +ineligible/)
    expect(terminal.stdout()).toContain('south: n: at most 1')
    expect((await readdir(folder)).toSorted()).toEqual(['cmp_1-north.jpg', 'cmp_1.jpg'])
    expect(await sharp(join(folder, 'cmp_1.jpg')).metadata()).toMatchObject({ format: 'jpeg', width: 2 * 520 + 28 + 88 })
  })

  test('asks all providers where none is named, and can leave the sheet out', async () => {
    const { url, heard } = await gateway([row('north')])
    const folder = await temporaryFolder()
    const args = ['compare', 'a hill', '--model', 'big', '--providers', 'all', '--url', url, '--out', folder, '--no-sheet', '--json']
    const terminal = fakeTerminal()
    expect(await runCommandLine(args, terminal)).toBe(0)
    expect(heard.find(({ method }) => method === 'POST')?.body).toEqual({ model: 'big', prompt: 'a hill' })
    const printed = JSON.parse(terminal.stdout()) as { id: string; saved: Record<string, readonly string[]>; sheet: string | null }
    expect(printed).toMatchObject({ id: 'cmp_1', saved: { north: [join(folder, 'cmp_1-north.jpg')] }, sheet: null })
    expect(terminal.stderr()).toBe('')
    expect(existsSync(join(folder, 'cmp_1.jpg'))).toBe(false)
  })

  test('ends with 1 where nobody delivered, its sheet still written where it was asked for', async () => {
    const failed = row('north', { ...running, status: 'failed', error_code: 'moderated', reasons: ['it was refused'] })
    const { url } = await gateway([failed], 'failed')
    const file = join(await temporaryFolder(), 'sheets', 'hill.png')
    const terminal = fakeTerminal()
    expect(await runCommandLine(['compare', 'a hill', '--model', 'big', '--url', url, '--out', '.', '--sheet', file], terminal)).toBe(1)
    expect(terminal.stdout()).toContain('north: it was refused')
    expect((await sharp(file).metadata()).format).toBe('png')
  })

  test('refuses a sheet of a kind it cannot write before anything is asked', async () => {
    const { url, heard } = await gateway([row('north')])
    const terminal = fakeTerminal()
    expect(await runCommandLine(['compare', 'a hill', '--model', 'big', '--url', url, '--sheet', 'hill.gif'], terminal)).toBe(2)
    expect(terminal.stderr()).toContain('--sheet hill.gif')
    expect(heard.filter(({ method }) => method === 'POST')).toEqual([])
  })
})

describe('the live table', () => {
  const failed: Partial<ComparisonRow> = { status: 'failed', amount: '0', vs_cheapest: null, images: 0, error_code: 'moderated' }
  const half = comparison([row('north'), row('south', running), row('west', ineligible), row('east', failed)], 'running')

  test('has a line for each provider, in its own state', () => {
    const lines = liveText(half, 0, 2_100, 200)
    expect(lines).toHaveLength(6)
    expect(lines[2]).toMatch(/^✔ +north +succeeded +5\.3 s/)
    expect(lines[3]).toMatch(/^⠋ +south +█{6}░{6} +running +2\.1 s/)
    expect(lines[4]).toMatch(/^– +west +ineligible/)
    expect(lines[5]).toMatch(/^✖ +east +failed: moderated/)
  })

  test('never is wider than the terminal', () => {
    for (const columns of [0, 10, 40, 80])
      expect(Math.max(...liveText(half, 3, 0, columns).map((line) => line.length))).toBeLessThanOrEqual(Math.max(20, columns - 1))
  })

  test('is drawn over itself, and wiped at the end', () => {
    const drawnTexts: string[] = []
    const watching = watchComparison({ ...fakeTerminal(), isInteractive: true, draw: (text) => void drawnTexts.push(text) }, half)
    watching.update(comparison([row('north'), row('south'), row('west', ineligible), row('east', failed)]))
    watching.end()
    expect(drawnTexts[0]).not.toContain('\u001b[6A')
    expect(drawnTexts.at(-2)?.startsWith('\u001b[6A')).toBe(true)
    expect(drawnTexts.at(-2)).toMatch(/✔ +south/)
    expect(drawnTexts.at(-1)).toBe('\u001b[6A\u001b[0J')
  })
})

describe('imagegate quote', () => {
  const quote: Quote = {
    object: 'quote',
    sandbox: false,
    model: 'big',
    offers: [
      {
        provider: 'north',
        model: 'big',
        provider_model: 'n-1',
        eligible: true,
        fidelity: 'near',
        reasons: [],
        warnings: [{ code: 'adjusted', field: 'height', requested: 1000, used: 1008, reason: 'Steps of 16.' }],
        applied: { width: 1536, height: 1008, n: 2, reference_images: 0 },
        cost: { amount: '0.09', per_megapixel: '0.03', lines: [{ what: 'image', quantity: 2, unit_amount: '0.045', amount: '0.09' }] },
        assumptions: [],
        latency_ms: { p50: 5300, p95: 9100, samples: 12 },
        observed: null,
      },
      {
        provider: 'south',
        model: 'big',
        provider_model: 's-1',
        eligible: true,
        fidelity: 'near',
        reasons: [],
        warnings: [],
        applied: { n: 2, reference_images: 1 },
        cost: null,
        assumptions: ['It is not known.'],
        latency_ms: null,
        observed: null,
      },
      {
        provider: 'west',
        model: 'big',
        provider_model: 'w-1',
        eligible: false,
        fidelity: null,
        reasons: ['n: at most 1'],
        warnings: [],
        applied: null,
        cost: null,
        assumptions: [],
        latency_ms: null,
        observed: null,
      },
    ],
    route: ['north', 'south'],
    considered: [{ provider: 'west', reason: 'n: at most 1' }],
    cheapest: 'north',
    fastest: null,
  }

  test('shows size, lines, price and time of each, and below why not, what is adapted and what is assumed', () => {
    const text = quoteReport(quote)
    expect(text).toMatch(/north +yes +near +2 × 1536×1008 +\$0\.09 +2 × image at \$0\.045 +5\.3 s \(p95 9\.1 s, of 12\)/)
    expect(text).toMatch(/south +yes +near +2 × its own +– +no published price +–/)
    expect(text).toMatch(/west +no +– +– +– +– +–/)
    expect(text).toContain('cheapest: north · fastest: none was measured often enough yet · now it would go to: north, south')
    expect(text).toContain('west cannot: n: at most 1')
    expect(text).toContain('north adapts height 1000 → 1008: Steps of 16.')
    expect(text).toContain('south: It is not known.')
  })

  test('says once what several providers assume in the same words', () => {
    const offers = quote.offers.map((offer) => ({ ...offer, assumptions: ['It is not known.'] }))
    expect(
      quoteReport({ ...quote, offers })
        .split('\n')
        .filter((said) => said.includes('It is not known.')),
    ).toEqual(['  north, south, west: It is not known.'])
  })

  test.each([
    ['the report', [], 'What big would cost'],
    ['JSON', ['--json'], '"object": "quote"'],
  ])('asks for a quote only and prints %s', async (_, more, expected) => {
    const { url, heard } = await fakeGateway(({ path }) => ({ body: path === '/v1/models' ? { object: 'list', data: [] } : quote }))
    const terminal = fakeTerminal()
    expect(
      await runCommandLine(['quote', 'a hill', '--model', 'big', '--width', '1536', '--height', '1000', '--url', url, ...more], terminal),
    ).toBe(0)
    expect(terminal.stdout()).toContain(expected)
    expect(heard.filter(({ method }) => method === 'POST').map(({ path, body }) => [path, body])).toEqual([
      ['/v1/quotes', { model: 'big', prompt: 'a hill', width: 1536, height: 1000 }],
    ])
  })

  test.each([
    ['--provider north', ['--model', 'big', '--provider', 'north']],
    ['--ignore', ['--model', 'big', '--ignore', 'south,west']],
    ['a pinned model', ['--model', 'north/big']],
  ])('says nothing of the providers that %s excludes; --json has them', async (_, flags) => {
    const offers = quote.offers.map((offer) =>
      offer.provider === 'north' ? offer : { ...offer, eligible: false, reasons: ['the request excludes it'] },
    )
    const { url } = await fakeGateway(({ path }) => ({ body: path === '/v1/models' ? { object: 'list', data: [] } : { ...quote, offers } }))
    const [shown, json] = [fakeTerminal(), fakeTerminal()]
    expect(await runCommandLine(['quote', 'a hill', ...flags, '--url', url], shown)).toBe(0)
    expect(shown.stdout()).toMatch(/north +yes/)
    expect(shown.stdout()).not.toMatch(/west|south +no|excludes/)
    await runCommandLine(['quote', 'a hill', ...flags, '--url', url, '--json'], json)
    expect(json.stdout()).toContain('the request excludes it')
  })

  test('names the providers that cannot take it where the one that is asked for is none of them', async () => {
    const none = { ...quote, offers: quote.offers.slice(2), route: [] }
    const { url } = await fakeGateway(({ path }) => ({ body: path === '/v1/models' ? { object: 'list', data: [] } : none }))
    const terminal = fakeTerminal()
    expect(await runCommandLine(['quote', 'a hill', '--model', 'north/big', '--url', url], terminal)).toBe(1)
    expect(terminal.stdout()).toContain('west cannot: n: at most 1')
  })

  test('ends with 1 where no provider can take it', async () => {
    const none = { ...quote, offers: quote.offers.slice(2) }
    const { url } = await fakeGateway(({ path }) => ({ body: path === '/v1/models' ? { object: 'list', data: [] } : none }))
    expect(await runCommandLine(['quote', 'a hill', '--model', 'big', '--url', url], fakeTerminal())).toBe(1)
  })
})
