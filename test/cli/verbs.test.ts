import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { runCommandLine } from '../../src/cli/command-line.ts'
import { modelEntry, temporaryFolder, writeFiles } from '../catalogue/fake-providers.ts'
import { fakeGateway, fakeTerminal, generation, type Answer, type Heard } from './fake-gateway.ts'

const MODELS = {
  object: 'list',
  data: [
    {
      id: 'big',
      object: 'model',
      created: 0,
      owned_by: 'acme',
      alias_of: null,
      offers: [
        { ...modelEntry(), provider: 'acme', enabled: true, reason: null, latency_ms: { p50: 5300, p95: 9000, samples: 7 }, notes: [] },
        { ...modelEntry(null), provider: 'zenith', enabled: false, reason: 'no API key: set ZENITH_API_KEY', latency_ms: null, notes: [] },
      ],
    },
  ],
}

/** A gateway that has `MODELS` and one generation, shown state by state. */
const gateway = (states: readonly Generation[], other: (heard: Heard) => Answer = () => ({ status: 404, body: {} })) => {
  const left = [...states]
  return fakeGateway((heard) => {
    if (heard.path === '/v1/models') return { body: MODELS }
    if (heard.path.startsWith('/v1/generations')) return { body: left.length > 1 ? left.shift() : left[0] }
    return heard.path.startsWith('/v1/images/') ? { body: Buffer.from('image') } : other(heard)
  })
}

async function run(args: readonly string[], env = {}) {
  const terminal = fakeTerminal(env)
  const status = await runCommandLine(args, terminal)
  return { status, out: terminal.stdout(), err: terminal.stderr() }
}

describe('a command line that is not understood', () => {
  test.each([
    ['an unknown verb', ['genrate'], 'unknown command'],
    ['an unknown flag', ['models', '--jsn'], 'Did you mean --json?'],
    ['a number that is none', ['generate', 'x', '--model', 'm', '--width', '1e3'], 'expected a whole number'],
    ['no model', ['generate', 'x'], "required option '--model <model>' not specified"],
    ['no prompt', ['generate', '--model', 'm'], "missing required argument 'prompt'"],
    ['a pair without its sign', ['generate', 'x', '--model', 'm', '--metadata', 'spring'], 'write key=value'],
    ['a filter without its sign', ['list', '--metadata', 'spring'], 'write key=value'],
    ['an option of no provider', ['generate', 'x', '--model', 'm', '--option', 'tone=warm'], 'write provider.name=value'],
    ['two flags for one thing', ['generate', 'x', '--model', 'm', '--provider', 'a', '--only', 'b'], 'give one of them'],
    ['a month that is none', ['costs', '--month', 'May'], 'write year and month'],
    ['an address that is none', ['models', '--url', 'localhost:8080'], 'is not an http(s) address'],
  ])('%s ends with status 2 and says what is wrong', async (_, args, expected) => {
    const { status, out, err } = await run(args)
    expect([status, out]).toEqual([2, ''])
    expect(err).toContain(expected)
  })

  test('an option that is missing hides no unknown one: both are named, the unknown one first', async () => {
    const [unknown, missing] = ["unknown option '--modle'", "required option '--model <model>' not specified"]
    const { status, err } = await run(['generate', 'x', '--modle', 'flux-2-pro'])
    expect([status, err]).toEqual([2, `error: ${unknown}\n(Did you mean --model?)\nerror: ${missing}`])
    const json = await run(['generate', 'x', '--modle', 'flux-2-pro', '--json'])
    expect(JSON.parse(json.out)).toMatchObject({ detail: `${unknown} (Did you mean --model?); ${missing}` })
    expect((await run(['quote'])).err).toBe(`error: missing required argument 'prompt'\nerror: ${missing}`)
    // Not read yet where a value before it is refused.
    expect((await run(['generate', 'x', '--width', 'wide', '--model', 'm'])).err).not.toContain('--model')
    const migrate = await run(['migrate', '--form', 'file:x'])
    expect(migrate.err).toMatch(/unknown option '--form'[^]+--from <url>' not specified[^]+--to <url>' not specified/)
  })
})

describe('a gateway that is not there', () => {
  test('a named one must answer; no other is started instead', async () => {
    const { status, err } = await run(['models', '--url', 'http://127.0.0.1:1'])
    expect(status).toBe(1)
    expect(err).toBe(
      'imagegate: no imagegate answers at http://127.0.0.1:1: start it with `npm start`, or leave --url and IMAGEGATE_URL out to run embedded',
    )
  })

  test('another program on that port is not taken for one', async () => {
    const { url } = await fakeGateway(() => ({ body: { object: 'list', data: [{ id: 'gpt' }] } }))
    expect((await run(['models'], { IMAGEGATE_URL: url })).err).toContain(`no imagegate answers at ${url}`)
  })

  test('a refused configuration is printed whole before anything starts', async () => {
    const folder = await temporaryFolder()
    await writeFiles(folder, { 'bad.yaml': 'servr: {}\nassets: { keep: 7 }' })
    const { status, err } = await run(['models', '--config', join(folder, 'bad.yaml')])
    expect(status).toBe(1)
    expect(err).toContain('bad.yaml:1:1: servr: unknown key — did you mean "server"?')
    expect(err).toContain('bad.yaml:2:17: assets.keep: is the number 7 — write true or false')
  })
})

describe('generate', () => {
  test('a reference that cannot be read, or is no image, is refused before anything is asked', async () => {
    const { url, heard } = await gateway([generation()])
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'notes.png'), 'not an image')
    for (const [ref, expected] of [
      [join(folder, 'none.png'), 'cannot be read (ENOENT)'],
      [join(folder, 'notes.png'), 'is not a PNG, JPEG or WebP image'],
    ] as const) {
      const { status, err } = await run(['generate', 'x', '--model', 'big', '--url', url, '--ref', ref])
      expect(status).toBe(1)
      expect(err).toContain(expected)
    }
    expect(heard).toEqual([])
  })

  test('flags that contradict each other, and an option without a provider, are refused', async () => {
    expect((await run(['generate', 'x', '--model', 'm', '--provider', 'a', '--only', 'b'])).err).toContain('give one of them')
    expect((await run(['generate', 'x', '--model', 'm', '--option', 'tone=warm'])).err).toContain('write provider.name=value')
  })

  test('a failure says why, what to do and whether it is billed, and ends with status 1', async () => {
    const error = {
      code: 'outcome_unknown',
      message: 'the reply was lost',
      provider: 'acme',
      provider_status: null,
      provider_code: null,
      provider_message: null,
      retryable: false,
      billed: 'unknown',
    } as const
    const cost = { currency: 'USD', quoted: null, amount: null, basis: 'unknown', lines: [] } as const
    const { url } = await gateway([generation({ status: 'failed', images: [], error, cost: { ...cost, lines: [] } })])
    const { status, out, err } = await run(['generate', 'x', '--model', 'big', '--url', url])
    expect(status).toBe(1)
    expect(err).toContain('gen_1 accepted\nIts offer has no known price: what it costs is known only once it is billed.\n')
    expect(out).toContain('cost        unknown')
    expect(out).toContain('failed: outcome_unknown: the reply was lost')
    expect(out).toContain('check its dashboard')
    expect(out).toContain('billed: perhaps')
  })

  test('sends only what was given, each flag in its field', async () => {
    const { url, heard } = await gateway([generation()])
    const folder = await temporaryFolder()
    const png = Buffer.from('\u0089PNG\r\n\u001a\n', 'latin1')
    await writeFile(join(folder, 'cat.jpg'), png)
    const flags = '--model big --width 1500 --height 1000 -n 2 --seed 7 --format jpg --quality 90 --safety 1 --no-upsampling --strict'
    const lists = [
      '--only',
      'acme,zenith',
      '--order',
      'zenith',
      '--ignore',
      'other',
      '--sort',
      'latency',
      '--max-price-usd',
      '0.05',
      '--metadata',
      'project=a=b',
      '--background',
      'transparent',
      '--mask',
      join(folder, 'cat.jpg'),
      '--option',
      'acme.tone=warm',
      '--option',
      'acme.seed=90071992547409931',
      '--option',
      'acme.on=true',
    ]
    const refs = ['--ref', join(folder, 'cat.jpg'), '--ref', 'https://example.com/a.png', '--ref', 'img_9']
    await run(['generate', 'a cat', ...flags.split(' '), ...lists, ...refs, '--url', url, '--key', 'k', '--out', folder])
    const asked = heard.find(({ method }) => method === 'POST')
    expect(asked?.headers).toMatchObject({
      authorization: 'Bearer k',
      'idempotency-key': expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
    })
    expect(asked?.body).toEqual({
      model: 'big',
      prompt: 'a cat',
      width: 1500,
      height: 1000,
      n: 2,
      seed: 7,
      output_format: 'jpeg',
      output_quality: 90,
      safety_tolerance: 1,
      prompt_upsampling: false,
      on_unsupported: 'reject',
      reference_images: [`data:image/png;base64,${png.toString('base64')}`, 'https://example.com/a.png', { image: 'img_9' }],
      mask: `data:image/png;base64,${png.toString('base64')}`,
      background: 'transparent',
      metadata: { project: 'a=b' },
      provider: { only: ['acme', 'zenith'], order: ['zenith'], ignore: ['other'], sort: 'latency', max_price_usd: '0.05' },
      provider_options: { acme: { tone: 'warm', seed: '90071992547409931', on: true } },
    })
  })

  test.each([
    ['--quality high', { quality: 'high' }],
    ['--quality high --output-quality 80', { quality: 'high', output_quality: 80 }],
    ['--quality 90', { output_quality: 90 }],
  ])('sends %s as the effort or the encoder’s quality', async (flags, fields) => {
    const { url, heard } = await gateway([generation()])
    await run(['generate', 'a cat', '--model', 'big', ...flags.split(' '), '--url', url, '--out', await temporaryFolder()])
    expect(heard.find(({ method }) => method === 'POST')?.body).toEqual({ model: 'big', prompt: 'a cat', ...fields })
  })

  test('shows each change as a plain line where nobody watches, saves the images and prints the result', async () => {
    const running = generation({ status: 'running', images: [], progress: 0.4 })
    const { url } = await gateway([generation({ status: 'queued', provider: null, images: [] }), running, running, generation()])
    const folder = await temporaryFolder()
    const { status, out, err } = await run(['generate', 'a cat', '--model', 'big', '--url', url, '--out', join(folder, 'new')])
    expect(status).toBe(0)
    expect(err.split('\n').filter((line) => line.startsWith('big: '))).toEqual(['big: running at acme, 40 %', 'big: succeeded at acme'])
    expect(err).not.toContain('no known price')
    expect(out).toContain('cost        $0.045 (billed)')
    expect(out).toMatch(/gen_1\.jpg +1504×1008 +jpeg +412,345 +9007199254740993/)
    expect(await readFile(join(folder, 'new/gen_1.jpg'), 'utf8')).toBe('image')
  })

  test('--json prints the generation and where its images are, and nothing else', async () => {
    const { url } = await gateway([generation()])
    const folder = await temporaryFolder()
    const { out, err } = await run(['generate', 'a cat', '--model', 'big', '--url', url, '--out', folder, '--json'])
    expect(JSON.parse(out)).toEqual({ ...generation(), saved: [join(folder, 'gen_1.jpg')] })
    expect(err).toBe('')
  })

  test('--no-wait prints the id at once, and how to fetch the images later', async () => {
    const { url, heard } = await gateway([generation({ status: 'queued', images: [] })])
    const { status, out, err } = await run(['generate', 'a cat', '--model', 'big', '--url', url, '--no-wait'])
    expect([status, heard.filter(({ method, path }) => method === 'GET' && path.startsWith('/v1/generations')).length]).toEqual([0, 0])
    expect(out).toBe('gen_1')
    expect(err).toContain(
      `\`imagegate get gen_1 --wait --out . --url ${url}\` saves its images, \`imagegate cancel gen_1 --url ${url}\` stops it`,
    )
    const folder = "it's here"
    const elsewhere = await run(['generate', 'a cat', '--model', 'big', '--no-wait', '--out', folder], { IMAGEGATE_URL: url })
    expect(elsewhere.err).toContain("`imagegate get gen_1 --wait --out 'it'\\''s here'` saves its images")
  })

  test('where one of several attempts failed, each has a line of its own; a single one needs none', async () => {
    const error = (code: 'moderated' | 'provider_unavailable', message: string) => ({
      code,
      message,
      provider: 'acme',
      provider_status: null,
      provider_code: null,
      provider_message: null,
      retryable: false,
      billed: false,
    })
    const attempt = (provider: string, last: ReturnType<typeof error>) => ({
      provider,
      provider_model: 'vendor-id',
      status: 'failed' as const,
      provider_task_id: null,
      images: 1,
      seed: null,
      vendor: null,
      error: last,
      cost: { quoted: null, amount: '0', basis: 'computed' as const, reported: null },
      started_at: '2026-11-21T10:00:00.000Z',
      ended_at: '2026-11-21T10:00:05.000Z',
    })
    const [away, refused] = [error('provider_unavailable', 'it is\nat rest'), error('moderated', 'not that')]
    const attempts = [attempt('acme', away), attempt('zenith', refused)]
    const failed = generation({ status: 'failed', images: [], error: refused, attempts })
    const lines = (out: string) => out.split('\n').filter((line) => line.startsWith('attempt '))
    const { url } = await gateway([failed])
    expect(lines((await run(['get', 'gen_1', '--url', url])).out)).toEqual([
      'attempt 1: acme failed: provider_unavailable: it is at rest (billed: no)',
      'attempt 2: zenith failed: moderated: not that (billed: no)',
    ])
    const single = await gateway([{ ...failed, attempts: attempts.slice(1) }])
    expect(lines((await run(['get', 'gen_1', '--url', single.url])).out)).toEqual([])
  })
})

describe('models and providers', () => {
  test('models lists every offer with price, typical time and why it cannot be used', async () => {
    const { url } = await gateway([])
    const { status, out } = await run(['models', '--url', url])
    expect(status).toBe(0)
    expect(out).toMatch(/big +acme +vendor-id +0\.04 an image \(2026-11-01\) +5\.3 s \(of 7\) +ready/)
    expect(out).toMatch(/ +zenith +vendor-id +not published +– +no API key: set ZENITH_API_KEY/)
    expect(JSON.parse((await run(['models', '--url', url, '--json'])).out)).toEqual(MODELS.data)
  })

  test('providers shows state, load and balance; control characters of a reply cannot move the cursor', async () => {
    const provider = {
      id: 'acme',
      object: 'provider',
      title: 'Ac\u001b[2Jme',
      state: 'disabled',
      reason: 'switched off',
      sandbox: false,
      models: [],
      in_flight: 3,
      waiting: 0,
      max_in_flight: 8,
      breaker: 'open',
      failures_in_a_row: 5,
      next_try_at: '2026-11-28T10:00:22.000Z',
      success_rate: 0.975,
      balance_usd: '12.5',
      docs_url: '',
    }
    const { url } = await gateway([], () => ({ body: { object: 'list', data: [provider] } }))
    const { out } = await run(['providers', '--url', url])
    expect(out).toMatch(
      /acme +Ac\uFFFD\[2Jme +disabled +3\/8 +open \(5 failed in a row, next try 2026-11-28T10:00:22\.000Z\) +98 % +\$12\.5 +switched off/,
    )
  })
})

describe('doctor', () => {
  test('names every problem of the configuration and ends with status 1', async () => {
    const folder = await temporaryFolder()
    await writeFiles(folder, { 'bad.yaml': 'servr: {}' })
    const { status, out } = await run(['doctor', '--json'], { IMAGEGATE_CONFIG: join(folder, 'bad.yaml'), PORT: 'x' })
    const bad = (JSON.parse(out) as { verdict: string; detail: string }[]).filter(({ verdict }) => verdict === 'bad')
    expect(status).toBe(1)
    expect(bad.map(({ detail }) => detail.replace(folder, ''))).toEqual([
      expect.stringContaining('environment: PORT: "x" is not a port'),
      '/bad.yaml:1:1: servr: unknown key — did you mean "server"?',
    ])
  })

  test('says that the data folder cannot be written and that a named server does not answer', async () => {
    const folder = await temporaryFolder()
    await writeFiles(folder, { 'a-file': '', 'empty.yaml': '' })
    const { status, out } = await run(['doctor', '--url', 'http://127.0.0.1:1'], {
      IMAGEGATE_DATA: join(folder, 'a-file'),
      IMAGEGATE_CONFIG: join(folder, 'empty.yaml'),
    })
    expect(status).toBe(1)
    expect(out).toMatch(/bad +data folder +.*a-file\/sandbox cannot be written \(ENOTDIR\)/)
    expect(out).toMatch(/bad +server +no imagegate answers at http:\/\/127\.0\.0\.1:1/)
  })

  test('names the data folder in use, which a sandbox has for itself', async () => {
    const folder = await temporaryFolder()
    await writeFiles(folder, { 'empty.yaml': '' })
    const env = { IMAGEGATE_DATA: join(folder, 'data'), IMAGEGATE_CONFIG: join(folder, 'empty.yaml'), PORT: '0' }
    expect((await run(['doctor'], env)).out).toContain(`${folder}/data/sandbox, the sandbox’s own; real providers have ${folder}/data`)
    expect((await run(['doctor'], { ...env, BFL_API_KEY: 'a-key' })).out).toMatch(/ok +data folder +\S+\/data\n/)
  })

  test('says which way out is used, without the proxy’s password', async () => {
    const folder = await temporaryFolder()
    await writeFiles(folder, { 'empty.yaml': '' })
    const env = { IMAGEGATE_DATA: folder, IMAGEGATE_CONFIG: join(folder, 'empty.yaml'), PORT: '0' }
    expect((await run(['doctor'], env)).out).toMatch(/ok +way out +direct; no proxy is configured/)
    const { out } = await run(['doctor'], { ...env, HTTPS_PROXY: 'http://user:canary-password@proxy.internal:3128', NO_PROXY: '.internal' })
    expect(out).toMatch(/ok +way out +through the proxy http:\/\/proxy\.internal:3128 \(HTTPS_PROXY\), but directly to \.internal/)
    expect(out).not.toContain('canary')
  })

  test('asks the gateway that runs with the key that verbs show it, and says what it may do', async () => {
    const folder = await temporaryFolder()
    await writeFiles(folder, { 'empty.yaml': '' })
    const current = {
      object: 'current_key',
      name: 'team-a',
      scope: 'write',
      models: ['big'],
      providers: null,
      rate: { per_minute: 60 },
      allow_unpriced: false,
      expires_at: null,
      budget: { key: 'team-a', limit: '50', period: 'month', used: '8', left: '42', renews_at: null },
    }
    const none = { ...current, name: null, scope: 'admin', models: null, rate: null, budget: null }
    const { url } = await gateway([], ({ path, headers: { authorization: key } }) => {
      if (path !== '/v1/key') return { status: 404, body: {} }
      if (key === 'Bearer canary-a' || key === 'Bearer nobody') return { body: key === 'Bearer nobody' ? none : current }
      return { status: 401, body: { code: 'unauthorized', detail: 'No.' } }
    })
    const env = { IMAGEGATE_DATA: folder, IMAGEGATE_CONFIG: join(folder, 'empty.yaml'), IMAGEGATE_URL: url }
    const known = await run(['doctor'], { ...env, IMAGEGATE_KEY: 'canary-a' })
    expect(known.out).toMatch(
      /ok +gateway key +team-a may read and buy \(scope write\); only the models big; \$42 left of \$50 \(month\); 60 requests a minute/,
    )
    expect([known.status, known.out.includes('canary')]).toEqual([0, false])
    const wrong = await run(['doctor', '--key', 'canary-b'], env)
    expect([wrong.status, wrong.out]).toEqual([1, expect.stringMatching(/bad +gateway key +the gateway does not know the one given/)])
    expect((await run(['doctor'], env)).out).toMatch(/note +gateway key +the gateway asks for one: set IMAGEGATE_KEY/)
    expect((await run(['doctor', '--key', 'nobody'], env)).out).toMatch(/ok +gateway key +the gateway asks for none/)
  })

  test('says that a key is there and never the key', async () => {
    const folder = await temporaryFolder()
    await writeFiles(folder, { 'empty.yaml': '' })
    const { url } = await gateway([])
    const { loadCatalogue } = await import('../../src/catalogue/catalogue.ts')
    const names = [...(await loadCatalogue()).providers.values()].map(({ manifest }) => manifest.auth.env)
    const env = { [names[0] ?? '']: 'canary-key', IMAGEGATE_DATA: folder, IMAGEGATE_CONFIG: join(folder, 'empty.yaml') }
    const { status, out } = await run(['doctor', '--url', url], env)
    expect(status).toBe(0)
    expect(out).toContain('has an API key')
    expect(out).toContain(`no API key: set ${names[1] ?? ''}`)
    expect(out).not.toContain('canary-key')
  })
})
