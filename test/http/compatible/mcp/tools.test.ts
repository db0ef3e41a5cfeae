import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FAILURES } from '#contract'
import type { Generation } from '#contract'
import { FIXTURE_PROVIDERS, json } from '../../../e2e/gateway.ts'
import { launchProcess } from '../../../e2e/gateway-process.ts'
import { readManifest } from '../../../support/installed-providers.ts'
import type { Gateway } from '../../../e2e/gateway.ts'
import { CLIENTS, connect } from './clients.ts'
import type { Agent, Called } from './clients.ts'

const good = { model: 'flux-2-pro', prompt: 'a lighthouse', max_price_usd: '0.10' }

let gateway: Gateway
let agent: Agent
beforeAll(async () => {
  gateway = await launchProcess()
  agent = await connect(gateway.url)
})
afterAll(async () => {
  await agent.close()
  await gateway.close()
})

/** How many generations are stored that carry this metadata. */
async function begun(test: string): Promise<readonly Generation[]> {
  return (await json<{ readonly data: readonly Generation[] }>(await gateway.ask(`/v1/generations?metadata.test=${test}`))).data
}

const errorOf = ({ facts }: Called) => facts?.['error'] as Record<string, unknown> | null
/** A list among the facts; empty where there is none. */
const listOf = ({ facts }: Called, name: string): readonly Item[] => (facts?.[name] ?? []) as readonly Item[]
/** What the tests read of an image, a row, an offer or a model. */
interface Item {
  readonly id: string
  readonly url: string
  readonly provider: string
  readonly cost: { readonly amount: string } | null
  readonly image_urls: readonly string[]
  readonly generation_id: string
}
const idOf = ({ facts }: Called) => String(facts?.['id'])

describe.each(CLIENTS)('%s', (_, connectAs) => {
  let client: Agent
  beforeAll(async () => {
    client = await connectAs(gateway.url)
  })
  afterAll(() => client.close())

  test('lists the tools, each with a description and described parameters, all of them in less than 12 kB', async () => {
    const tools = await client.list()
    expect(tools.map(({ name }) => name)).toEqual(['list_models', 'quote', 'generate', 'compare', 'get_generation', 'costs'])
    expect(Buffer.byteLength(JSON.stringify(tools))).toBeLessThan(12_000)
    for (const { name, description, inputSchema } of tools) {
      expect(description, name).toMatch(/\w{3}.{60,}/s)
      expect(undescribed(inputSchema, name)).toEqual([])
      expect(JSON.stringify(inputSchema), name).not.toContain('$ref')
    }
  })

  test('a generated image comes back as a link that can be fetched, with its cost, and never as bytes', async () => {
    const made = await client.call('generate', { ...good, width: 768, height: 512 })
    expect(made).toMatchObject({ isError: false, facts: { status: 'succeeded', sandbox: true, cost: { amount: '0.03' }, error: null } })
    const [image] = listOf(made, 'images')
    const bytes = Buffer.from(await (await fetch(image?.url ?? '')).arrayBuffer())
    expect(await sharp(bytes).metadata()).toMatchObject({ width: 768, height: 512 })
    expect(made.text).toContain(image?.url)
    expect(made.text).toContain('0.03 USD')
    expect(JSON.stringify(made.raw).length).toBeLessThan(2_500)
  })

  test('a quote prices every offer and begins nothing', async () => {
    const quoted = await client.call('quote', { model: 'flux-2-pro', prompt: 'x', width: 2048, height: 1024, metadata: { test: 'quote' } })
    expect(quoted.isError).toBe(false)
    const offers = listOf(quoted, 'offers')
    expect(Object.fromEntries(offers.map(({ provider, cost }) => [provider, cost?.amount ?? null]))).toEqual({
      bfl: '0.045',
      runware: '0.045',
      vtrix: null,
    })
    expect(quoted.text).toContain('bfl: 0.045 USD; 2048×1024')
    expect(quoted.text).toContain('vtrix: no published price')
    expect(await begun('quote')).toEqual([])
  })

  test('a moderated prompt is a tool error with its code, its remedy and whether it was charged', async () => {
    const refused = await client.call('generate', { ...good, prompt: 'a brawl sandbox:moderated', provider: { order: ['bfl'] } })
    expect(refused.isError).toBe(true)
    expect(refused.text).toMatch(/^moderated: /)
    expect(refused.text).toContain(FAILURES.moderated.remedy)
    expect(errorOf(refused)).toMatchObject({ code: 'moderated', provider: 'bfl', billed: false, remedy: FAILURES.moderated.remedy })
  })

  test.each(['0.01', 0.01])('a ceiling below every price, here %j, is refused before anything is begun', async (ceiling) => {
    const refused = await client.call('generate', { ...good, max_price_usd: ceiling, metadata: { test: 'ceiling' } })
    expect(refused).toMatchObject({ isError: true, facts: undefined })
    expect(refused.text).toMatch(/^no_eligible_offer: /)
    expect(refused.text).toContain('bfl: max_price_usd: the quote is 0.03, and at most 0.01 is allowed.')
    expect(await begun('ceiling')).toEqual([])
  })

  test('a wrong argument is a tool error that names it', async () => {
    const refused = await client.call('generate', { ...good, prompt: undefined, promt: 'x' })
    expect(refused.isError).toBe(true)
    expect(refused.text).toMatch(/^invalid_request: prompt is missing; promt is an unknown field; did you mean "prompt"\?\n/)
  })
})

describe('generate', () => {
  const wrong: readonly [string, Record<string, unknown>, string][] = [
    ['no ceiling', { max_price_usd: undefined }, 'max_price_usd'],
    ['a ceiling that is no amount', { max_price_usd: true }, 'max_price_usd'],
    ['a ceiling with a currency sign', { max_price_usd: '$1' }, 'max_price_usd'],
    ['a wait that is too long', { wait_seconds: 3_600 }, 'wait_seconds'],
    ['a width without a height', { width: 512 }, 'height'],
    ['an empty prompt', { prompt: '' }, 'prompt'],
    ['twenty-one images', { n: 21 }, 'n'],
    ['a reference that is no link', { reference_images: ['ftp://x/y.png'] }, 'reference_images.0'],
    ['a reference that is not stored', { reference_images: ['img_nothing'] }, 'reference_images.0'],
    ['a wrong routing field', { provider: { onyl: ['bfl'] } }, 'provider.onyl'],
    ['a second ceiling', { provider: { max_price_usd: '5' } }, 'provider.max_price_usd'],
    ['an unknown option of a provider', { provider_options: { bfl: { magic: 1 } } }, 'provider_options.bfl.magic'],
    ['bytes asked for', { response_format: 'b64_json' }, 'response_format'],
  ]
  test.each(wrong)('%s is refused by the argument’s name, and nothing is begun', async (_, change, path) => {
    const refused = await agent.call('generate', { ...good, metadata: { test: 'wrong' }, ...change })
    expect(refused.isError).toBe(true)
    expect(refused.text).toMatch(new RegExp(`^invalid_request: ${path.replaceAll('.', '\\.')}:? `))
    expect(await begun('wrong')).toEqual([])
  })

  test('an offer without a published price is refused under a ceiling, and the reason says so', async () => {
    const refused = await agent.call('generate', { ...good, provider: { only: ['vtrix'] }, metadata: { test: 'unpriced' } })
    expect(refused.isError).toBe(true)
    expect(refused.text).toContain('vtrix: max_price_usd: this offer has no published price, so at most $0.10 cannot be promised.')
    expect(await begun('unpriced')).toEqual([])
  })

  test('a model there is not is refused with the tool that lists the models', async () => {
    const refused = await agent.call('generate', { ...good, model: 'flux-3' })
    expect(refused.isError).toBe(true)
    expect(refused.text).toMatch(/^model_not_found: .*flux-3/)
    expect(refused.text).toContain('list_models')
  })

  test('what is not finished within the wait comes back with its id and what to call; get_generation waits for its end', async () => {
    const open = await agent.call('generate', { ...good, prompt: 'x sandbox:slow', wait_seconds: 0 })
    expect(open).toMatchObject({ isError: false, facts: { images: [], cost: { amount: null, quoted: '0.03' } } })
    expect(['queued', 'running']).toContain(open.facts?.['status'])
    expect(open.text).toContain(`Call get_generation with id "${idOf(open)}"`)
    const ended = await agent.call('get_generation', { id: idOf(open), wait_seconds: 10 })
    expect(ended).toMatchObject({ isError: false, facts: { id: idOf(open), status: 'succeeded', cost: { amount: '0.03' } } })
    expect(ended.text).toContain('/v1/images/img_')
  })

  test('a failure read later is an answer, not an error of the reading', async () => {
    const failed = await agent.call('generate', { ...good, prompt: 'x sandbox:moderated', provider: { order: ['bfl'] } })
    const seen = await agent.call('get_generation', { id: idOf(failed) })
    expect(seen).toMatchObject({ isError: false, facts: { status: 'failed', error: { code: 'moderated' } } })
    expect(seen.text).toMatch(/^moderated: /)
  })

  test('what may have been charged is said to be', async () => {
    const lost = await agent.call('generate', { ...good, prompt: 'x sandbox:lost-reply', provider: { only: ['bfl'] } })
    expect(lost).toMatchObject({ isError: true, facts: { error: { code: 'outcome_unknown', billed: 'unknown' }, cost: { amount: null } } })
    expect(lost.text).toContain('cost not known (quoted 0.03 USD). The provider may have charged for it.')
  })

  test('a warning says what was asked and what is used', async () => {
    const made = await agent.call('generate', { ...good, width: 1000, height: 1008 })
    expect(made.facts?.['warnings']).toMatchObject([{ code: 'adjusted', field: 'width', requested: 1000, used: 1008 }])
    expect(made.text).toContain('Warning: width: 1000 → 1008: ')
  })

  test('fewer images than asked are a result that says how many', async () => {
    const made = await agent.call('generate', { ...good, prompt: 'x sandbox:partial', n: 2, provider: { only: ['runware'] } })
    expect(listOf(made, 'images')).toHaveLength(1)
    expect(made).toMatchObject({ isError: false, facts: { status: 'succeeded' } })
    expect(made.text).toContain('1 of 2 images')
  })

  test('the ceiling counts all images of the call together', async () => {
    const refused = await agent.call('generate', { ...good, n: 4, metadata: { test: 'many' } })
    expect(refused.text).toContain('the quote is 0.12, and at most 0.10 is allowed')
    expect(await begun('many')).toEqual([])
  })

  test('an earlier image is edited by its id', async () => {
    const [image] = listOf(await agent.call('generate', good), 'images')
    const edited = await agent.call('generate', { ...good, prompt: 'at night', reference_images: [image?.id] })
    expect(edited).toMatchObject({ isError: false, facts: { status: 'succeeded', cost: { amount: '0.045' } } })
  })

  test('a repeated idempotency key finds the first generation and pays once; with other arguments it is refused', async () => {
    const once = { ...good, idempotency_key: 'mcp-once', metadata: { test: 'once' } }
    const made = await Promise.all([agent.call('generate', once), agent.call('generate', once)])
    expect(new Set(made.map(idOf)).size).toBe(1)
    expect(await begun('once')).toHaveLength(1)
    const other = await agent.call('generate', { ...once, prompt: 'another' })
    expect(other.isError).toBe(true)
    expect(other.text).toMatch(/^invalid_request: idempotency_key: /)
  })
})

describe('compare', () => {
  const both = { ...good, max_price_usd: '0.06', providers: ['bfl', 'runware'] }

  test('makes the image at each provider and returns price, time and link side by side', async () => {
    const compared = await agent.call('compare', both)
    expect(compared).toMatchObject({ isError: false, facts: { status: 'succeeded', sandbox: true } })
    const rows = listOf(compared, 'summary')
    expect(rows).toMatchObject([
      { provider: 'bfl', status: 'succeeded', amount: '0.03', vs_cheapest: '+0%' },
      { provider: 'runware', status: 'succeeded', amount: '0.03', vs_cheapest: '+0%' },
    ])
    for (const { image_urls } of rows) {
      expect((await fetch(image_urls[0] ?? '')).headers.get('content-type')).toMatch(/^image\//)
      expect(compared.text).toContain(image_urls[0])
    }
  })

  test('the ceiling is for all providers together, and above it nothing is begun', async () => {
    const refused = await agent.call('compare', { ...both, max_price_usd: '0.05', metadata: { test: 'compare' } })
    expect(refused.isError).toBe(true)
    expect(refused.text).toMatch(
      /^invalid_request: max_price_usd: the comparison is quoted at 0\.06 USD \((bfl|runware) 0\.03, (bfl|runware) 0\.03\), and at most 0\.05/,
    )
    expect(await begun('compare')).toEqual([])
  })

  test('a provider without a published price is a row that says why it was not asked', async () => {
    const compared = await agent.call('compare', { ...good, providers: ['bfl', 'vtrix'] })
    expect(compared.facts?.['summary']).toMatchObject([
      { provider: 'bfl', status: 'succeeded' },
      { provider: 'vtrix', status: 'ineligible', image_urls: [], generation_id: null },
    ])
    expect(compared.text).toContain('no published price')
  })

  test('a comparison that is not finished within the wait comes back with the ids to ask for', async () => {
    const open = await agent.call('compare', { ...both, prompt: 'x sandbox:slow', wait_seconds: 0 })
    expect(open).toMatchObject({ isError: false, facts: { status: 'running' } })
    const ids = listOf(open, 'summary').map((row) => row.generation_id)
    expect(ids).toHaveLength(2)
    for (const id of ids) {
      expect(open.text).toContain(`call get_generation with id "${id}"`)
      expect(await agent.call('get_generation', { id, wait_seconds: 10 })).toMatchObject({ facts: { status: 'succeeded' } })
    }
  })

  test('is an error only where no provider delivered', async () => {
    const failed = await agent.call('compare', { ...both, prompt: 'x sandbox:moderated' })
    expect(failed).toMatchObject({ isError: true, facts: { status: 'failed' } })
    const half = await agent.call('compare', { ...both, prompt: 'x sandbox:moderated@bfl' })
    expect(half).toMatchObject({
      isError: false,
      facts: { status: 'succeeded', summary: [{ error_code: 'moderated' }, { status: 'succeeded' }] },
    })
    expect(half.text).toMatch(/^bfl: failed, .*moderated/m)
  })
})

describe('an agent that is asked for the cheapest two providers', () => {
  test('needs three calls: the models, their prices, and a comparison of the two', async () => {
    const models = listOf(await agent.call('list_models'), 'models')
    const model = models.find(({ id }) => id === 'flux-2-pro')?.id
    const quoted = await agent.call('quote', { model, prompt: 'a lighthouse', megapixels: 2, aspect_ratio: '3:2' })
    const cheapest = listOf(quoted, 'offers')
      .filter(({ cost }) => cost !== null)
      .slice(0, 2)
    const total = cheapest.reduce((sum, { cost }) => sum + Number(cost?.amount), 0)
    const compared = await agent.call('compare', {
      model,
      prompt: 'a lighthouse',
      megapixels: 2,
      aspect_ratio: '3:2',
      providers: cheapest.map(({ provider }) => provider),
      max_price_usd: total,
    })
    expect(compared).toMatchObject({ isError: false, facts: { status: 'succeeded' } })
    expect(listOf(compared, 'summary')).toHaveLength(2)
  })
})

describe('the free tools', () => {
  test('list_models has each offer’s price in words and its limits', async () => {
    const all = await agent.call('list_models')
    const models = listOf(all, 'models')
    const sold = FIXTURE_PROVIDERS.flatMap((provider) => Object.keys(readManifest(provider).models))
    expect(models.map(({ id }) => id)).toEqual([...new Set(sold)].toSorted())
    const one = await agent.call('list_models', { model: 'bfl/flux-1.1-pro' })
    expect(one.facts).toMatchObject({
      models: [
        {
          id: 'bfl/flux-1.1-pro',
          alias_of: 'flux-1.1-pro',
          offers: [
            {
              provider: 'bfl',
              enabled: true,
              price: '0.04 USD per image',
              size: { max_width: 1440, step: 32 },
              output_formats: ['jpeg', 'png', 'webp'],
            },
          ],
        },
      ],
    })
    expect(one.text).toContain('bfl 0.04 USD per image, up to 1.97 megapixels (1440×1440 at most)')
    expect((await agent.call('list_models', { model: 'nothing' })).text).toMatch(/^model_not_found: /)
  })

  test('costs are what was spent and what it would have cost elsewhere', async () => {
    await agent.call('generate', { ...good, metadata: { team: 'mcp' } })
    const spent = await agent.call('costs', { group_by: ['metadata.team'] })
    expect(spent.isError).toBe(false)
    expect(spent.facts?.['groups']).toContainEqual(expect.objectContaining({ group: { 'metadata.team': 'mcp' }, spend: '0.03', images: 1 }))
    expect(spent.text).toMatch(/^Total: 0\.\d+ USD, \d+ images/)
    expect(spent.text).toContain('mcp: 0.03 USD, 1 images')
    expect(await agent.call('costs', { to: '2001-01-01' })).toMatchObject({ facts: { total: { spend: '0', images: 0 }, groups: [] } })
  })

  test.each([
    ['from', { from: 'yesterday' }],
    ['to', { to: '2026-13-01' }],
    ['group_by.0', { group_by: ['colour'] }],
  ])('costs with a wrong %s name it', async (path, given) => {
    expect((await agent.call('costs', given)).text).toMatch(new RegExp(`^invalid_request: ${path}:? `))
  })

  test('a generation there is not is an error with a remedy', async () => {
    const missing = await agent.call('get_generation', { id: 'gen_nothing' })
    expect(missing.isError).toBe(true)
    expect(missing.text).toMatch(/^not_found: .*gen_nothing.*\nRemedy: /)
  })
})

/** Paths of parameters without a description, however deep. */
function undescribed(schema: unknown, path: string): readonly string[] {
  const { properties = {} } = schema as { readonly properties?: Readonly<Record<string, { readonly description?: string }>> }
  return Object.entries(properties).flatMap(([name, each]) => [
    ...(each.description === undefined || each.description.length < 15 ? [`${path}.${name}`] : []),
    ...undescribed(each, `${path}.${name}`),
  ])
}
