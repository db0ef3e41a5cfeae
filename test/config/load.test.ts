import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { formatProblem } from '../../src/config/problem.ts'
import { exposed } from '../../src/config/protection.ts'
import { loadCatalogue } from '../../src/catalogue/catalogue.ts'
import { fakeProviders, temporaryFolder, writeFiles } from '../catalogue/fake-providers.ts'
import { accepted, load } from './load-config.ts'

const HASH = 'a'.repeat(64)

describe('a file that cannot be used', () => {
  test('has every problem named at once, in the order of the file, each with line, column and remedy', async () => {
    const yaml = [
      'server:',
      '  prot: 80',
      '  port: "eighty"',
      'keys:',
      '  - name: a',
      'assets: { keep: perhaps }',
      'network: { allow: [10.0.0.0/99] }',
    ].join('\n')
    const { config, lines } = await load(yaml)
    expect(config).toBeNull()
    expect(lines).toEqual([
      'imagegate.yaml:2:3: server.prot: unknown key — did you mean "port"?',
      'imagegate.yaml:3:9: server.port: is text — write a number',
      'imagegate.yaml:5:5: keys.0.key_hash: is required — add it: text in quotes',
      'imagegate.yaml:6:17: assets.keep: is text — write true or false',
      'imagegate.yaml:7:20: network.allow.0: is neither a network nor a service — write "10.0.0.0/8", "10.1.2.3" or "host:9000"',
    ])
  })

  test('is not YAML: line and column are named, and quoting where a variable stands bare', async () => {
    const { lines } = await load('providers:\n  acme: { api_key: ${ACME_API_KEY} }\n')
    expect(lines[0]).toMatch(/^imagegate\.yaml:2:\d+: .* — quote values that contain \$\{…\}: "\$\{NAME\}"$/)
  })

  const END = 'is missing, or not indented'
  test.each([
    [
      'a section',
      'server: { port: 8080\nproviders:\n  acme: {}\nassets: { keep: true }\n',
      [`2:1: a "{" before this is not closed: "}" ${END}`],
    ],
    [
      'a section over several lines',
      'models: {\n  big: { route: { sort: price },\n  huge: { model: big }\n}\nassets:\n  keep: true\nnetwork: { allow: [] }\n',
      [`4:1: a "{" before this is not closed: "}" ${END}`],
    ],
    [
      'a list in a section',
      'assets: { keep: true }\nmodels:\n  big:\n    route: { order: [acme }\nlimits: { all: { sockets: 1 } }\n',
      [`4:27: a "[" before this is not closed: "]" ${END}`],
    ],
    [
      'a section in a section',
      'models: { big: { route: { sort: price } }\n  huge:\n    model: big\n  vast:\n    model: big\nserver:\n  port: 1\n',
      ['2:3: "," or "}" is missing before this'],
    ],
  ])('lacks the bracket that closes %s: that is said alone, and not what follows from it', async (_, yaml, expected) => {
    expect((await load(yaml)).lines).toEqual(expected.map((line) => `imagegate.yaml:${line}`))
  })

  test('has several faults of a value each: every one is said, up to the first that breaks the rest', async () => {
    const text = 'server: {}\nserver: {}\nproviders:\n  acme: { api_key: @a }\n  zenith: { api_key: @b }\nkeys: [\nassets: {}\nlimits: ]\n'
    const { lines } = await load(text)
    expect(lines.map((line) => line.split(': ')[0])).toEqual([
      'imagegate.yaml:2:1',
      'imagegate.yaml:4:20',
      'imagegate.yaml:5:22',
      'imagegate.yaml:7:1',
    ])
  })

  test.each([
    ['a list', '- a\n- b', 'imagegate.yaml:1:1: is a list — write a mapping of keys'],
    ['a key given twice', 'server: {}\nserver: {}', 'imagegate.yaml:2:1: "server" is given twice — put both under the first'],
    ['a __proto__ key', '__proto__: { server: {} }', 'imagegate.yaml:1:1: __proto__: unknown key'],
    [
      'an alias bomb',
      'a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]',
      'Excessive alias count',
    ],
  ])('is %s', async (_, yaml, expected) => {
    const { config, lines } = await load(yaml)
    expect(config).toBeNull()
    expect(lines.join('\n')).toContain(expected)
  })

  test('does not exist though it was named', async () => {
    const catalogue = await loadCatalogue(await fakeProviders())
    const result = await loadConfig({ env: { IMAGEGATE_CONFIG: '/nowhere/imagegate.yaml' }, catalogue })
    expect(result).toMatchObject({
      kind: 'refused',
      problems: [{ file: '/nowhere/imagegate.yaml', message: 'the configuration file cannot be read (ENOENT)' }],
    })
  })
})

describe('names that must exist', () => {
  test.each([
    [
      'an unknown provider',
      'providers: { acne: {} }',
      'imagegate.yaml:1:14: providers.acne: no provider "acne" is installed — did you mean "acme"?',
    ],
    [
      'an unknown provider in an order',
      'models: { big: { route: { order: [acme, nobody] } } }',
      'models.big.route.order.1: no provider "nobody" is installed — known: acme, zenith',
    ],
    [
      'an unknown provider in weights',
      'models: { big: { route: { weights: { zenit: 2 } } } }',
      'imagegate.yaml:1:38: models.big.route.weights.zenit: no provider "zenit" is installed — did you mean "zenith"?',
    ],
    [
      'a provider that does not sell the model',
      'models: { small: { route: { order: [zenith] } } }',
      'models.small.route.order.0: zenith does not sell small — sold by: acme',
    ],
    [
      'an unknown model',
      'models: { bog: {} }',
      'imagegate.yaml:1:11: models.bog: is not a model any installed provider sells — did you mean "big"?; an alias needs `model:`',
    ],
    [
      'an alias of nothing',
      'models: { mine: { model: bigg } }',
      'models.mine.model: "bigg" is not a model any installed provider sells — did you mean "big"?',
    ],
    [
      'an alias of an alias',
      'models: { one: { model: big }, two: { model: one } }',
      'models.two.model: "one" is itself an alias — name the model it stands for',
    ],
    [
      'an alias that hides a model',
      'models: { big: { model: small } }',
      'models.big: is a real model and cannot become an alias of another — choose another name',
    ],
    ['an alias that seems pinned', 'models: { acme/mine: { model: big } }', 'models.acme/mine: an alias has no slash'],
    [
      'a price of a model it does not sell',
      'providers: { zenith: { prices: { small: { per_image: "1" } } } }',
      'providers.zenith.prices.small: is not a model of zenith',
    ],
    [
      'a key limited to an unknown model',
      `keys: [{ name: a, key_hash: ${HASH}, models: [bag] }]`,
      'keys.0.models.0: "bag" is neither a model nor an alias — did you mean "big"?',
    ],
    [
      'a key limited to an unknown provider',
      `keys: [{ name: a, key_hash: ${HASH}, providers: [acm] }]`,
      'keys.0.providers.0: no provider "acm" is installed',
    ],
    [
      'a preset option its provider does not know',
      'models: { h: { model: big, defaults: { provider_options: { acme: { tune: 1 } } } } }',
      'models.h.defaults.provider_options.acme.tone: only tone is known',
    ],
  ])('%s is refused', async (_, yaml, expected) => {
    const { config, lines } = await load(yaml)
    expect(config).toBeNull()
    expect(lines).toEqual([expect.stringContaining(expected)])
  })

  test('a model is answered with those of its family wherever it stands, and with no other version of it: a price, a route, an alias', async () => {
    const sold = ['paint-1.5', 'paint-2'].map((model) => `${model}: { provider_model: x }`).join(', ')
    const { lines } = await load(
      [
        `providers: { relay: { shape: openai-images, base_url: "https://relay.example", models: { ${sold} }, prices: { paint-1: { per_image: "1" } } } }`,
        'models: { paint-1: { route: { sort: price } }, mine: { model: paint-1 } }',
      ].join('\n'),
    )
    expect(lines.map((line) => /did you mean .*\?/.exec(line)?.[0] ?? line)).toEqual([
      'did you mean "paint-1.5"?',
      'did you mean "paint-1.5"?',
      'did you mean "paint-1.5"?',
    ])
  })
})

describe('values that cannot be meant', () => {
  test.each([
    [
      'a key hash that is a key',
      'keys: [{ name: a, key_hash: sk-secret }]',
      'keys.0.key_hash: does not have the right form — expected: the SHA-256 of the key as 64 hex digits',
    ],
    [
      'a budget as a float',
      `keys: [{ name: a, key_hash: ${HASH}, budget_usd: 50 }]`,
      'keys.0.budget_usd: is the number 50 — write text in quotes',
    ],
    [
      'a negative budget',
      `keys: [{ name: a, key_hash: ${HASH}, budget_usd: "-1" }]`,
      'keys.0.budget_usd: is refused — a budget is not negative',
    ],
    [
      'an unknown period',
      `keys: [{ name: a, key_hash: ${HASH}, period: week }]`,
      'keys.0.period: is not one of the known values — write one of: day, month, total',
    ],
    [
      'two keys of one name',
      `keys: [{ name: a, key_hash: ${HASH} }, { name: A, key_hash: ${'b'.repeat(64)} }]`,
      'keys.1.name: is given twice',
    ],
    [
      'an address that is none',
      'network: { allow: ["10.0.0.0/33"] }',
      'network.allow.0: is neither a network nor a service — write "10.0.0.0/8"',
    ],
    [
      'IPv4 written inside IPv6, which would match nothing',
      'network: { allow: ["::ffff:a00:0/104"] }',
      'network.allow.0: is neither a network nor a service',
    ],
    ['a service without a port', 'network: { allow: [minio.internal] }', 'network.allow.0: is neither a network nor a service'],
    [
      'a base URL that is no URL',
      'providers: { acme: { base_url: api.acme.example } }',
      'providers.acme.base_url: does not have the right form — write a whole http(s) URL',
    ],
    [
      'a base URL with credentials',
      'providers: { acme: { base_url: "https://u:p@acme.example" } }',
      'providers.acme.base_url: holds credentials, a query or a fragment',
    ],
    [
      'a base URL that ends in a version',
      'providers: { acme: { base_url: "https://proxy.example/acme/v1/" } }',
      'providers.acme.base_url: ends in /v1, which this provider\'s calls add themselves — write "https://proxy.example/acme"',
    ],
    [
      'a base URL that ends in two versions',
      'providers: { acme: { base_url: "https://api.acme.example/v1/v2beta" } }',
      'write "https://api.acme.example"',
    ],
    [
      'half a price',
      'providers: { acme: { prices: { big: { first_output: "1" } } } }',
      'providers.acme.prices.big: does not have the right form — expected: either { per_image',
    ],
    [
      'a negative price',
      'providers: { acme: { prices: { big: { per_image: "-1" } } } }',
      'providers.acme.prices.big.per_image: is refused — a price is not negative',
    ],
    [
      'a price in cents',
      'providers: { acme: { prices: { big: { per_image: "5" } } } }',
      'providers.acme.prices.big.per_image: is refused — a price is in US dollars (not cents) for one image or megapixel, below 5',
    ],
    ['a discount above all', 'providers: { acme: { discount_percent: 101 } }', 'providers.acme.discount_percent: is refused'],
    [
      'two routes at once',
      'models: { big: { route: { sort: price, order: [acme] } } }',
      'models.big.route: is refused — give one of order, sort or weights',
    ],
    [
      'the end of an alias',
      'models: { h: { model: big, retires_on: 2027-03-01 } }',
      'models.h.retires_on: is an alias, which ends with the model it stands for — write it at that model',
    ],
    ['a replacement without an end', 'models: { big: { replaced_by: big } }', 'models.big.replaced_by: has no retires_on beside it'],
    [
      'a replacement that nobody sells',
      'models: { big: { retires_on: 2027-03-01, replaced_by: bigg } }',
      'models.big.replaced_by: "bigg" is neither a model nor an alias',
    ],
    [
      'half a default size',
      'models: { h: { model: big, defaults: { width: 100 } } }',
      'models.h.defaults.height: is missing: width and height go together',
    ],
    ['a default a request could not have', 'models: { h: { model: big, defaults: { steps: 99 } } }', 'models.h.defaults.steps: is refused'],
  ])('%s is refused', async (_, yaml, expected) => {
    const { config, lines } = await load(yaml)
    expect(config).toBeNull()
    expect(lines).toEqual([expect.stringContaining(expected)])
  })

  test('an open address without keys is refused, with the way out, unless a key that is not in the file counts', async () => {
    const { config } = await accepted('server: { host: "::" }')
    const problem = exposed(config, () => false)
    expect(problem && formatProblem(problem)).toMatch(
      /^environment: HOST or server\.host: refusing to listen on ::.* — add `keys:.*or listen on 127\.0\.0\.1$/,
    )
    expect(exposed(config, () => true)).toBeNull()
    expect((await accepted(`keys: [{ name: a, key_hash: ${HASH.toUpperCase()} }]`, { HOST: '0.0.0.0' })).config.keys[0]).toEqual({
      name: 'a',
      keyHash: HASH,
      budgetUsd: null,
      period: 'month',
      models: null,
      providers: null,
      allowUnpriced: false,
      scope: 'write',
      admin: false,
      ratePerMinute: null,
      expiresAt: null,
    })
  })

  test('a key’s scope, rate and end, the origins of web pages and the life of links are read; what contradicts itself is refused', async () => {
    const end = '2027-01-31T00:00:00Z'
    const { config } = await accepted(
      `server: { cors: { origins: ["https://app.example.com", "http://localhost:5173"] } }\nassets: { link_ttl: 7d, public: true }\nkeys: [{ name: a, key_hash: ${HASH}, admin: true, rate: { per_minute: 60 }, expires_at: "${end}" }]`,
    )
    expect(config.server.corsOrigins).toEqual(['https://app.example.com', 'http://localhost:5173'])
    expect(config.assets).toMatchObject({ linkTtlMs: 7 * 86_400_000, public: true })
    expect(config.keys[0]).toMatchObject({ scope: 'admin', admin: true, ratePerMinute: 60, expiresAt: end })
    const key = (more: string) => `keys: [{ name: a, key_hash: ${HASH}, ${more} }]`
    expect((await load(key('admin: true, scope: read'))).lines[0]).toContain('keys.0.admin: contradicts scope: read — write the scope only')
    expect((await load(key('scope: admin'))).config?.keys[0]?.admin).toBe(true)
    expect((await load('server: { cors: { origins: ["https://app.example.com/page"] } }')).lines[0]).toContain('without a path')
    expect((await load('server: { cors: { origins: ["*"] } }')).lines[0]).toContain('scheme, host and port')
    expect((await load('assets: { link_ttl: "24 hours" }')).lines[0]).toContain('a number and s, m, h or d: "24h"')
    expect((await load('assets: { link_ttl: 0s }')).lines[0]).toContain('write at least "1m"')
    expect((await load('assets: { served_by: bucket }')).lines[0]).toContain('assets.served_by: needs a bucket — name one in assets.url')
  })

  test.each([
    ['nothing', ''],
    ['a line break', '\n'],
    ['a blank', ' '],
    ['`echo -n` without a variable', '-n \n'],
    ['one character', 'x'],
    ['two characters', 'k1'],
    ['four digits', '0042'],
  ])('a key whose secret is %s is refused on any address, and the variable it comes from is named', async (_, secret) => {
    const hash = createHash('sha256').update(secret).digest('hex')
    const { config, lines } = await load('keys: [{ name: a, key_hash: "${TEAM_KEY_HASH}" }]', { TEAM_KEY_HASH: hash.toUpperCase() })
    expect(config).toBeNull()
    expect(lines[0]).toMatch(/^imagegate\.yaml:1:\d+: keys\.0\.key_hash: is the hash of an empty or very short secret.*\$\{TEAM_KEY_HASH\}/)
    const unset = await load('keys: [{ name: a, key_hash: "${TEAM_KEY_HASH}" }]')
    expect(unset.lines[0]).toContain('keys.0.key_hash: the environment variable TEAM_KEY_HASH is not set')
  })

  test('PORT and LOG_LEVEL that make no sense are refused', async () => {
    const { lines } = await load('', { PORT: '80a', LOG_LEVEL: 'inf' })
    expect(lines).toEqual([
      'environment: PORT: "80a" is not a port — write a number from 0 to 65535',
      'environment: LOG_LEVEL: "inf" is not a level — did you mean "info"?',
    ])
  })

  test('a key no header can carry is refused and never printed', async () => {
    const { lines } = await load('providers: { acme: { api_key: "sec ret" } }', { ZENITH_API_KEY: 'can\nary' })
    expect(lines).toEqual([
      expect.stringContaining('environment: ZENITH_API_KEY: the API key holds a space'),
      expect.stringContaining('imagegate.yaml:1:31: providers.acme.api_key: the API key holds a space'),
    ])
    expect(lines.join()).not.toMatch(/sec ret|can\nary/)
  })
})

describe('variables', () => {
  test('a missing one names itself, its line and its column', async () => {
    const { lines } = await load('server:\n  public_url: "${PUBLIC_URL}"')
    expect(lines).toContain(
      'imagegate.yaml:2:15: server.public_url: the environment variable PUBLIC_URL is not set — set PUBLIC_URL, or write "${PUBLIC_URL:-default}"',
    )
  })

  test('a default stands in where it is unset or empty, and text becomes the number or boolean that is wanted', async () => {
    const yaml = 'server: { port: "${WEB_PORT:-9000}" }\nassets: { keep: "${KEEP}" }\nstore: { url: "file:/data/${NAME:-x}-$${NAME}.db" }'
    const { config } = await accepted(yaml, { WEB_PORT: '', KEEP: 'false', ACME_API_KEY: 'a-key' })
    expect([config.server.port, config.assets.keep, config.storeUrl]).toEqual([9000, false, 'file:/data/x-${NAME}.db'])
  })

  test('an API key made of digits stays text to the last digit', async () => {
    const { config } = await accepted('providers: { acme: { api_key: "${KEY}" } }', { KEY: '90071992547409931' })
    expect(config.providers.get('acme')?.apiKey?.reveal()).toBe('90071992547409931')
  })

  test('a secret may come from a file, without its last line break', async () => {
    const folder = await temporaryFolder()
    await writeFiles(folder, { key: 'from-file\n' })
    const { config } = await accepted('', { ACME_API_KEY_FILE: join(folder, 'key') })
    expect(config.providers.get('acme')?.apiKey?.reveal()).toBe('from-file')
  })

  test('a secret’s file and a configuration that are not text in UTF-8 are refused', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'odd')
    writeFileSync(path, Buffer.from('caf\xe9', 'latin1'))
    const { lines } = await load('', { ACME_API_KEY_FILE: path })
    expect(lines).toEqual([
      `environment: ACME_API_KEY_FILE: ${path} cannot be read (it is not text in UTF-8) — correct the path or its permissions`,
    ])
    const result = await loadConfig({ env: { IMAGEGATE_CONFIG: path }, catalogue: await loadCatalogue(await fakeProviders()) })
    expect(result).toMatchObject({ problems: [{ message: 'the configuration file cannot be read (it is not text in UTF-8)' }] })
  })

  test('a data folder of the kernel is refused, where Node would make folders for ever', async () => {
    expect((await load('', { IMAGEGATE_DATA: '/proc/1/x' })).lines).toEqual([
      "environment: IMAGEGATE_DATA: /proc/1/x is the kernel's and keeps no files — name a folder on a disk",
    ])
  })

  test('a secret’s file that is not there, or is given beside the secret, is refused', async () => {
    const { lines } = await load('', { ACME_API_KEY_FILE: '/nowhere/key', ZENITH_API_KEY: 'x', ZENITH_API_KEY_FILE: '/nowhere/key' })
    expect(lines).toEqual([
      'environment: ACME_API_KEY_FILE: /nowhere/key cannot be read (ENOENT) — correct the path or its permissions',
      'environment: ZENITH_API_KEY: ZENITH_API_KEY and ZENITH_API_KEY_FILE are both set — unset one of them',
    ])
  })
})

describe('the snapshot', () => {
  test('has the wait for a slot that the file gives, in milliseconds', async () => {
    expect((await accepted('routing: { slot_wait_ms: 0 }')).config.routing).toEqual({ slotWaitMs: 0 })
    expect((await load('routing: { slot_wait_ms: -1 }')).lines).toEqual([expect.stringContaining('routing.slot_wait_ms: is refused')])
  })

  test('without file and environment has the documented defaults', async () => {
    const { config } = await accepted('')
    expect(config.server).toEqual({ host: '127.0.0.1', port: 8080, publicUrl: null, bodyLimitBytes: 67_108_864, corsOrigins: [] })
    expect(config.dataDirectory).toBe(resolve('data/sandbox'))
    expect(config.storeUrl).toBe(`file:${resolve('data/sandbox/imagegate.db')}`)
    expect(config.configured).toEqual({
      dataDirectory: resolve('data'),
      storeUrl: `file:${resolve('data/imagegate.db')}`,
      assetsUrl: `file:${resolve('data/images')}`,
    })
    expect(config.assets).toEqual({
      url: `file:${resolve('data/sandbox/images')}`,
      keep: true,
      maxImageBytes: 67_108_864,
      maxAgeDays: null,
      maxBytes: null,
      linkTtlMs: 86_400_000,
      public: false,
      servedBy: 'gateway',
    })
    expect(config.network).toEqual({ allow: [], proxy: null })
    expect(config.routing).toEqual({ slotWaitMs: 2_000 })
  })

  test('has a breaker with real providers, and in the sandbox only where the file asks for one', async () => {
    expect((await accepted('')).config.breaker).toBeNull()
    expect((await accepted('breaker: {}')).config.breaker).toEqual({ faults: 5, coolDownMs: 30_000 })
    expect((await accepted('', { ACME_API_KEY: 'key' })).config.breaker).toEqual({ faults: 5, coolDownMs: 30_000 })
    const { config } = await accepted('breaker: { faults: 2, cool_down_seconds: 0.5 }', { ACME_API_KEY: 'key' })
    expect(config.breaker).toEqual({ faults: 2, coolDownMs: 500 })
  })

  test('takes the limits of retention', async () => {
    const { config } = await accepted('assets: { max_age_days: 0.5, max_bytes: 1000 }')
    expect(config.assets).toMatchObject({ maxAgeDays: 0.5, maxBytes: 1_000 })
  })

  test('takes HOST and PORT from the environment before the file', async () => {
    const { config } = await accepted('server: { host: localhost, port: 1, public_url: "https://img.example.com/" }', {
      HOST: '127.0.0.2',
      PORT: '0',
    })
    expect(config.server).toMatchObject({ host: '127.0.0.2', port: 0, publicUrl: 'https://img.example.com' })
  })

  test('cannot be changed', async () => {
    const { config } = await accepted('models: { big: { route: { order: [acme] } } }')
    expect(() => Object.assign(config.server, { port: 1 })).toThrow(TypeError)
    expect(() => Object.assign(config.models.get('big')?.route ?? {}, { order: [] })).toThrow(TypeError)
  })

  test('never prints a key', async () => {
    const { config } = await accepted('', { ACME_API_KEY: 'canary-key' })
    const provider = config.providers.get('acme')
    expect(`${JSON.stringify(provider)} ${inspect(config, { depth: 9 })} ${String(provider?.apiKey)}`).not.toContain('canary-key')
  })
})

describe('sandbox or real vendors', () => {
  test('without any key everything is sandbox, and a provider that was switched off stays off', async () => {
    const { config } = await accepted('providers: { zenith: { enabled: false }, acme: { api_key: "${UNSET_KEY}" } }')
    expect(config.sandbox).toBe(true)
    expect(config.providers.get('acme')).toMatchObject({
      enabled: true,
      reason: null,
      apiKey: null,
      baseUrl: 'https://api.acme.example',
      maxInFlight: 8,
    })
    expect(config.providers.get('zenith')).toMatchObject({
      enabled: false,
      reason: 'switched off: remove `providers.zenith.enabled: false`',
    })
  })

  test('one key makes its provider real and disables the others with the remedy', async () => {
    const { config } = await accepted('providers: { acme: { base_url: "http://127.0.0.1:9/x/", max_in_flight: 2 } }', { ACME_API_KEY: 'k' })
    expect(config.sandbox).toBe(false)
    expect(config.providers.get('acme')).toMatchObject({ enabled: true, baseUrl: 'http://127.0.0.1:9/x', maxInFlight: 2 })
    expect(config.providers.get('zenith')).toMatchObject({
      enabled: false,
      reason: 'no API key: set ZENITH_API_KEY or providers.zenith.api_key',
    })
  })

  test('a variable that a provider’s api_key names is its only source, and is named where it is unset', async () => {
    const file = 'providers: { acme: { api_key: "${ACME_STAGING_KEY}" } }'
    const { config } = await accepted(file, { ACME_API_KEY: 'of-another-account', ZENITH_API_KEY: 'k' })
    expect(config.providers.get('acme')).toMatchObject({
      enabled: false,
      apiKey: null,
      reason: 'no API key: set ACME_STAGING_KEY, which providers.acme.api_key names',
    })
    const withKey = await accepted(file, { ACME_STAGING_KEY: 'k', ZENITH_API_KEY: 'k' })
    expect(withKey.config.providers.get('acme')).toMatchObject({ enabled: true, reason: null })
  })

  test('a base URL may have any path that is no version', async () => {
    const { config } = await accepted('providers: { acme: { base_url: "https://proxy.example/v1/acme" } }', { ACME_API_KEY: 'k' })
    expect(config.providers.get('acme')?.baseUrl).toBe('https://proxy.example/v1/acme')
  })

  test('a key of a provider that is switched off still ends the sandbox', async () => {
    const { config } = await accepted('providers: { acme: { enabled: false } }', { ACME_API_KEY: 'k' })
    expect(config.sandbox).toBe(false)
    expect([...config.providers.values()].map(({ enabled }) => enabled)).toEqual([false, false])
  })

  test('the file’s key wins over the environment’s', async () => {
    const { config } = await accepted('providers: { acme: { api_key: file-key } }', { ACME_API_KEY: 'environment-key' })
    expect(config.providers.get('acme')?.apiKey?.reveal()).toBe('file-key')
  })

  test('a key sent in the clear is warned about, and a base URL the sandbox does not use', async () => {
    const yaml = 'providers: { acme: { base_url: "http://proxy.internal" } }'
    expect((await accepted(yaml, { ACME_API_KEY: 'k' })).lines).toEqual([
      expect.stringContaining('sends the API key over unencrypted http'),
    ])
    expect((await accepted(yaml)).lines[0]).toContain('is not used in the sandbox')
  })
})
