import { Argument, Option } from 'commander'
import { NewGatewayKey, RotateGatewayKey } from '#contract'
import type { GatewayKeyState, GatewayKeyWithSecret } from '#contract'
import { findGateway, type ConnectOptions } from './connect.ts'
import { dataFolderKeys, runningKeys } from './key-source.ts'
import type { KeySource } from './key-source.ts'
import { gatewayCommand, names, wholeNumber } from './options.ts'
import { table } from './table.ts'
import { NotUnderstood, VerbFailed, type Terminal } from './terminal.ts'
import type { Verb } from './verb.ts'

const ACTIONS = ['list', 'create', 'rotate', 'revoke'] as const
type Action = (typeof ACTIONS)[number]

interface KeyOptions extends ConnectOptions {
  readonly json?: boolean
  readonly scope?: string
  readonly models?: readonly string[]
  readonly providers?: readonly string[]
  readonly budgetUsd?: string
  readonly period?: string
  readonly rate?: number
  readonly expiresAt?: string
  readonly allowUnpriced?: boolean
  readonly secret?: string
  readonly grace?: number
}

export const keysVerb: Verb = (terminal, finish) =>
  gatewayCommand('keys', 'create, list, rotate and revoke gateway keys')
    .addArgument(new Argument('<action>', 'what to do').choices(ACTIONS))
    .argument('[name]', 'the key; not for list')
    .addOption(new Option('--scope <scope>', 'create: what it may do (default: write)').choices(['read', 'write', 'admin']))
    .option('--models <names>', 'create: the only models it may use, joined by commas', names)
    .option('--providers <ids>', 'create: the only providers it may use, joined by commas', names)
    .option('--budget-usd <amount>', 'create: the most it may spend in a period')
    .addOption(new Option('--period <period>', 'create: when the budget starts anew (default: month)').choices(['day', 'month', 'total']))
    .option('--rate <requests>', 'create: requests in a minute', wholeNumber)
    .option('--expires-at <instant>', 'create: from when it is refused, for example 2027-01-01T00:00:00Z')
    .option('--allow-unpriced', 'create: a budget lets offers without a price pass')
    .option('--secret <secret>', 'create: a secret of your own, 16 characters at least (better: leave it out)')
    .option('--grace <seconds>', 'rotate: how long the secret before still counts (default: 86400)', wholeNumber)
    .addHelpText(
      'after',
      '\nA running gateway is asked, with a key of scope admin where it has keys (--key or IMAGEGATE_KEY). Where none runs, the data folder of the ' +
        'configuration is changed. A secret is printed once. The last key that counts can be revoked only while the gateway is stopped.',
    )
    .action((action: Action, name: string | undefined, options: KeyOptions) => finish(keys(action, name, options, terminal)))

async function keys(action: Action, name: string | undefined, options: KeyOptions, terminal: Terminal): Promise<number> {
  if (action !== 'list' && name === undefined) throw new NotUnderstood(`name the key: imagegate keys ${action} <name>`)
  if (action === 'list' && name !== undefined) throw new NotUnderstood(`imagegate keys list shows every key: leave ${name} out`)
  const source = await sourceOf(options, terminal)
  try {
    terminal.out(await perform(source, action, name ?? '', options))
    return 0
  } finally {
    await source.close()
  }
}

async function perform(source: KeySource, action: Action, name: string, options: KeyOptions): Promise<string> {
  const json = (value: unknown): string => JSON.stringify(value, null, 2)
  switch (action) {
    case 'list': {
      const list = await source.list()
      return options.json ? json(list) : keyTable(list)
    }
    case 'create': {
      const made = await source.create(askedFor(name, options))
      return options.json ? json(made) : secretShown(made, source.where)
    }
    case 'rotate': {
      const rotated = await source.rotate(name, RotateGatewayKey.parse(options.grace === undefined ? {} : { grace_seconds: options.grace }))
      return options.json ? json(rotated) : secretShown(rotated, source.where)
    }
    case 'revoke':
      await source.revoke(name)
      return options.json ? json({ name, revoked: true }) : `${name} is revoked (${source.where}).`
  }
}

async function sourceOf(options: KeyOptions, terminal: Terminal): Promise<KeySource> {
  const found = await findGateway(options, terminal, 'change the data folder of a stopped one')
  return found.kind === 'running' ? runningKeys(found.url, found.key) : dataFolderKeys(found.config)
}

/** The options as POST /v1/keys takes them. */
function askedFor(name: string, options: KeyOptions): NewGatewayKey {
  const {
    scope,
    models,
    providers,
    budgetUsd: budget_usd,
    period,
    rate,
    expiresAt: expires_at,
    allowUnpriced: allow_unpriced,
    secret,
  } = options
  const given = {
    name,
    scope,
    models,
    providers,
    budget_usd,
    period,
    expires_at,
    allow_unpriced,
    secret,
    rate: rate === undefined ? rate : { per_minute: rate },
  }
  const parsed = NewGatewayKey.safeParse(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)))
  if (parsed.success) return parsed.data
  throw new VerbFailed(parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n'))
}

const secretShown = ({ name, scope, secret, previous_until: until, notice }: GatewayKeyWithSecret, where: string): string =>
  [
    secret,
    `This is the secret of ${name} (${scope}, ${where}). It is not shown again.`,
    ...(until === null ? [] : [`The secret before it counts until ${until}.`]),
    ...(notice === undefined ? [] : [notice]),
  ].join('\n')

function keyTable(list: readonly GatewayKeyState[]): string {
  const rows = list.map((key) => [
    key.name,
    key.source,
    key.scope,
    key.budget_usd === null ? '–' : `${key.budget_usd} per ${key.period}`,
    key.rate === null ? '–' : String(key.rate.per_minute),
    key.last_used_at ?? '–',
    key.expires_at ?? '–',
  ])
  return table(['key', 'from', 'scope', 'budget in USD', 'requests a minute', 'last used', 'expires'], rows)
}
