import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runCommandLine } from '../../src/cli/command-line.ts'
import { checkFolder } from '../../src/cli/folder.ts'
import { launchGateway } from '../e2e/gateway.ts'
import type { Gateway } from '../e2e/gateway.ts'
import { ROOT } from '../support/source-tree.ts'
import { fakeTerminal } from './fake-gateway.ts'

let gateway: Gateway
let folder: string
beforeAll(async () => {
  gateway = await launchGateway()
  folder = mkdtempSync(join(tmpdir(), 'imagegate-cli-'))
})
afterAll(async () => {
  await gateway.close()
  rmSync(folder, { recursive: true, force: true })
})

/** One command line against the gateway. */
async function run(args: readonly string[], input = '') {
  const terminal = fakeTerminal({ IMAGEGATE_URL: gateway.url }, input)
  const status = await runCommandLine(args, terminal)
  return { status, out: terminal.stdout(), err: terminal.stderr() }
}
const parsed = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>
const bought = async () =>
  parsed((await run(['list', '--json', '--limit', '100'])).out)['data'] as readonly { id: string; status: string }[]

test('a model that there is not is said once, with what there is and the command that lists it', async () => {
  for (const verb of ['generate', 'quote', 'compare']) {
    const { status, err } = await run([verb, 'x', '--model', 'dall-e-3'])
    expect([verb, status]).toEqual([verb, 1])
    expect(err.split('flux-2-pro').length - 1).toBe(1)
    expect(err).toMatch(/^imagegate: There is no model "dall-e-3"; there are .+\. `imagegate models` lists what there is\.$/m)
  }
})

test('reconcile names the option where a column is not known', async () => {
  const invoice = join(folder, 'invoice.csv')
  writeFileSync(invoice, 'nummer,amount\na,1')
  const { status, err } = await run(['reconcile', invoice])
  expect(status).toBe(1)
  expect(err).toContain('--task-column: no column is known to hold the vendor’s task ids')
})

describe('verbs that read', () => {
  test('get shows a generation and saves its images; --json is the generation', async () => {
    const { id } = await gateway.generate({})
    const shown = await run(['get', id, '--out', join(folder, 'got')])
    expect(shown.status).toBe(0)
    expect(shown.out).toMatch(/status\s+succeeded/)
    // Without a folder, where each image is.
    const [link = ''] = new RegExp(`${gateway.url}/v1/images/img_\\S+`).exec((await run(['get', id])).out) ?? []
    expect((await fetch(link)).headers.get('content-type')).toMatch(/^image\//)
    expect(readdirSync(join(folder, 'got')).map((name) => name.split('.')[0])).toEqual([id])
    expect(parsed((await run(['get', id, '--json'])).out)).toMatchObject({ id, object: 'generation' })
  })

  test('list shows what fits, newest first, and how to go on', async () => {
    const { id } = await gateway.generate({ metadata: { campaign: 'spring' } })
    expect((await run(['list', '--metadata', 'campaign=spring', '--limit', '1'])).out).toContain(id)
    expect((await run(['list', '--limit', '1'])).err).toMatch(/There are more: --cursor \S+/)
    expect((await run(['list', '--status', 'canceled'])).out).toBe('No generation fits.')
    expect(await run(['list', '--status', 'done'])).toMatchObject({ status: 1, err: expect.stringContaining('status must be "queued"') })
  })

  test('cancel ends with 0 where it canceled, and with 1 where the generation had ended', async () => {
    const running = await gateway.generate({ prompt: 'sandbox:slow x' }, { prefer: 'respond-async' })
    expect(await run(['cancel', running.id])).toMatchObject({ status: 0, out: expect.stringMatching(/status\s+canceled/) })
    const ended = await gateway.generate({})
    expect(await run(['cancel', ended.id])).toMatchObject({
      status: 1,
      err: expect.stringMatching(/^gen_\w+ had ended \(succeeded\) before, at \S+; nothing was canceled now\.$/),
    })
    const again = await run(['cancel', running.id])
    expect(again).toMatchObject({ status: 1, out: expect.stringMatching(/status\s+canceled/) })
    expect(again.err).toMatch(new RegExp(`^${running.id} was canceled before, at \\S+; nothing was canceled now\\.$`))
    const json = await run(['cancel', running.id, '--json'])
    expect([json.status, json.err, parsed(json.out)['status']]).toEqual([1, '', 'canceled'])
  })

  test('prices shows every offer with its day and source, unpriced ones too', async () => {
    const { out } = await run(['prices', '--model', 'flux-2-pro'])
    expect(out).toMatch(/bfl\s+0\.03 first MP.*\(\d{4}-\d{2}-\d{2}\)\s+https:/)
    expect(out).toMatch(/vtrix\s+not published\s+–/)
    const rows = JSON.parse((await run(['prices', '--json'])).out) as readonly { price: unknown; as_of: unknown; currency: string }[]
    expect(rows.every(({ currency }) => currency === 'USD')).toBe(true)
    expect(rows.filter(({ price, as_of }) => (price === null) !== (as_of === null))).toEqual([])
  })

  test('GET /v1/models/{id} shows the JSON Schema of each provider’s options; the list does not', async () => {
    const model = (await (await gateway.ask('/v1/models/flux-2-pro')).json()) as {
      offers: readonly { provider: string; options: object }[]
    }
    for (const { options } of model.offers) expect(options).toMatchObject({ type: 'object', additionalProperties: false })
    expect(model.offers.find(({ provider }) => provider === 'runware')?.options).toHaveProperty('properties')
    const list = (await (await gateway.ask('/v1/models')).json()) as { data: readonly { offers: readonly object[] }[] }
    expect(JSON.stringify(list)).not.toContain('additionalProperties')
  })

  test.each([
    ['bash', 'complete -o default -F _imagegate imagegate'],
    ['zsh', '#compdef imagegate'],
    ['fish', 'complete -c imagegate'],
  ])('completion prints a script for %s that knows every verb and its flags', async (shell, expected) => {
    const { status, out } = await run(['completion', shell])
    expect([status, out.includes(expected), out.includes('generate'), out.includes('aspect-ratio')]).toEqual([0, true, true, true])
  })
})

describe('a prompt that is a dash', () => {
  test('is read from standard input', async () => {
    const made = await run(
      ['generate', '-', '--model', 'flux-2-pro', '--out', join(folder, 'from-input'), '--json'],
      'a lighthouse\nat dusk\n',
    )
    expect(parsed(made.out)).toMatchObject({ status: 'succeeded', request: { prompt: 'a lighthouse\nat dusk' } })
  })
})

describe('--out', () => {
  const buy = (out: string) => run(['generate', 'x', '--model', 'flux-2-pro', '--out', out])

  test('is checked before anything is bought: a file, and a folder below a file', async () => {
    const before = (await bought()).length
    const file = join(folder, 'a-file')
    writeFileSync(file, 'x')
    expect(await buy(file)).toMatchObject({
      status: 1,
      err: expect.stringContaining(`--out ${file}: is a file, and a folder is needed; nothing was bought`),
    })
    expect(await buy(join(file, 'below'))).toMatchObject({ status: 1, err: expect.stringContaining('nothing was bought') })
    expect(await buy('/proc/imagegate')).toMatchObject({ status: 1, err: expect.stringContaining('nothing was bought') })
    expect((await run(['compare', 'x', '--model', 'flux-2-pro', '--sheet', `${folder}.jpg/x.jpg`, '--out', file])).status).toBe(1)
    expect((await bought()).length).toBe(before)
  })

  test('is refused where the disk is full', async () => {
    await expect(checkFolder('--out', join(folder, 'full'), async () => 4_096)).rejects.toThrow('the disk is full; nothing was bought')
  })
})

describe('--json', () => {
  test('puts errors as problem documents on standard output, and nothing on standard error', async () => {
    const refused = await run(['generate', 'x', '--model', 'flux-2-por', '--out', folder, '--json'])
    expect([refused.status, refused.err, parsed(refused.out)]).toEqual([
      1,
      '',
      expect.objectContaining({ code: 'model_not_found', status: 404 }),
    ])
    const unknown = await run(['models', '--jsno', '--json'])
    expect([unknown.status, unknown.err, parsed(unknown.out)]).toEqual([2, '', expect.objectContaining({ code: 'invalid_request' })])
    const nobody = await run(['models', '--url', 'http://127.0.0.1:9', '--json'])
    expect([nobody.status, parsed(nobody.out)]).toEqual([
      1,
      {
        type: '/problems/gateway_unavailable',
        title: 'Service Unavailable',
        status: 503,
        code: 'gateway_unavailable',
        detail: expect.stringContaining('no imagegate answers at'),
      },
    ])
    // `type` is a page of any gateway.
    expect((await gateway.ask(String(parsed(nobody.out)['type']))).status).toBe(200)
  })

  test('may stand before the verb; an unknown verb is then named too', async () => {
    expect(JSON.parse((await run(['--json', 'models'])).out)).toHaveProperty('0.id')
    const unknown = await run(['--json', 'genrate', 'x'])
    expect([unknown.status, unknown.err, parsed(unknown.out)]).toEqual([
      2,
      '',
      {
        type: '/problems/invalid_request',
        title: 'Bad Request',
        status: 400,
        code: 'invalid_request',
        detail: "unknown command 'genrate' (Did you mean generate?)",
      },
    ])
    const [nothing, alone] = await Promise.all([run([]), run(['--json'])])
    expect([nothing.status, nothing.out]).toEqual([2, ''])
    expect([alone.status, alone.err, parsed(alone.out)]).toEqual([2, '', expect.objectContaining({ detail: 'No verb was given.' })])
  })
})

describe('the process', () => {
  const command = (args: readonly string[]) =>
    new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
      execFile(process.execPath, [join(ROOT, 'bin/imagegate.mjs'), ...args], (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
      )
    })

  test('ends with 2 and the nearest verb where a verb is not known, and prints its version', async () => {
    const [unknown, version, nothing, help] = await Promise.all([['genrate'], ['--version'], [], ['generate', '--help']].map(command))
    expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining('Did you mean generate?') })
    expect(version).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
    expect(nothing?.code).toBe(2)
    expect(help?.stdout).toContain('Examples:')
  }, 60_000)

  test('reads a prompt from a real standard input', async () => {
    const child = spawn(process.execPath, [join(ROOT, 'bin/imagegate.mjs'), 'quote', '-', '--model', 'flux-2-pro', '--url', gateway.url], {
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    child.stdin.end('a lighthouse')
    const chunks: Buffer[] = []
    for await (const chunk of child.stdout) chunks.push(chunk as Buffer)
    expect(Buffer.concat(chunks).toString()).toContain('What flux-2-pro would cost')
  })
})
