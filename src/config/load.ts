import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Catalogue } from '../catalogue/catalogue.ts'
import { Secret } from '../transport/secret.ts'
import { checkMeaning, warnAbout } from './check.ts'
import type { Config, ConfigResult, GatewayKey, ModelConfig } from './config.ts'
import { readDocument } from './document.ts'
import { variablesOf, type Environment, type Variables } from './environment.ts'
import { readNamedText } from './named-file.ts'
import { inEnvironment, type ConfigProblem } from './problem.ts'
import { readModelName } from './model-name.ts'
import { readProxy } from './proxy.ts'
import { limitsOf } from './limits-schema.ts'
import { providersOf } from './providers.ts'
import { relaysOf } from './relays.ts'
import { durationMs, type ConfigFile } from './schema.ts'
import { readServer } from './server.ts'
import { validateFile } from './validate.ts'
import { stateOf } from './watch-files.ts'

export const DEFAULT_CONFIG_FILE = 'imagegate.yaml'
/** Passed over without a word, it would leave a sandbox where somebody means to buy. */
const OTHER_ENDING = 'imagegate.yml'
/** Inside IMAGEGATE_DATA: all that a sandbox keeps. */
export const SANDBOX_FOLDER = 'sandbox'
const MEBIBYTE = 1_048_576
const DEFAULT_MAX_IMAGE_BYTES = 64 * MEBIBYTE
const DEFAULT_LINK_TTL = '24h'
const DEFAULT_FAULTS = 5
const DEFAULT_COOL_DOWN_SECONDS = 30
const DEFAULT_SLOT_WAIT_MS = 2_000

/** Where configuration comes from. `path` wins over IMAGEGATE_CONFIG; relative paths start at the working directory. */
export interface ConfigSource {
  readonly env: Environment
  readonly path?: string
  readonly catalogue: Catalogue
}

/** The configuration file that applies: named, or `./imagegate.yaml` where it exists; null without any. */
export async function configPath({ env, path }: Pick<ConfigSource, 'env' | 'path'>): Promise<string | null> {
  const named = path ?? (env['IMAGEGATE_CONFIG'] || undefined)
  if (named !== undefined) return named
  return (await stat(DEFAULT_CONFIG_FILE).catch(() => null)) === null ? null : DEFAULT_CONFIG_FILE
}

/** Reads file and environment into one frozen snapshot, or every problem with its line, column and remedy. Never throws for bad input. */
export async function loadConfig(source: ConfigSource): Promise<ConfigResult> {
  const path = await configPath(source)
  // One that is written after the start is worth reading too.
  const own = [path ?? DEFAULT_CONFIG_FILE, stateOf([path ?? DEFAULT_CONFIG_FILE])] as const
  const text = path === null ? await noText() : await readText(path)
  if ('problem' in text) return { kind: 'refused', problems: [text.problem], files: new Map([own]) }
  const variables = variablesOf(source.env)
  const { document, problems: syntax } = readDocument(path ?? DEFAULT_CONFIG_FILE, text.text, variables)
  const validated = validateFile(document)
  const { file } = validated
  const problems: ConfigProblem[] = [...syntax, ...validated.problems]
  const relays = relaysOf({ file, document, catalogue: source.catalogue, problems })
  const catalogue = source.catalogue.with(relays)
  problems.push(...checkMeaning(file, document, catalogue))
  const server = readServer(file, variables, problems)
  const providers = providersOf({ file, document, variables, catalogue, writtenOn: text.writtenOn, problems })
  const proxy = readProxy({ file, document, variables, problems })
  problems.push(...variables.problems(), ...kernelFolder(dataDirectoryOf(variables)))
  const files = new Map([own, ...variables.files()])
  if (problems.length > 0) return { kind: 'refused', problems: problems.sort(byPosition), files }
  const config = snapshot({ path, isEmpty: document.data === null, file, variables, catalogue, relays, server, proxy, providers })
  return { kind: 'config', config, warnings: warnAbout(file, document, catalogue, config.sandbox), files }
}

/** Thousands of models and keys take a tenth of it. */
const MOST_MEGABYTES = 10

type TextOfFile = { readonly text: string; readonly writtenOn: string } | { readonly problem: ConfigProblem }

async function noText(): Promise<TextOfFile> {
  if ((await stat(OTHER_ENDING).catch(() => null)) === null) return { text: '', writtenOn: '1970-01-01' }
  const message = `the configuration is read from ${DEFAULT_CONFIG_FILE}, and this file has another name`
  return { problem: { file: OTHER_ENDING, line: null, column: null, path: '', message, remedy: `rename it to ${DEFAULT_CONFIG_FILE}` } }
}

async function readText(path: string): Promise<TextOfFile> {
  try {
    const text = readNamedText(path, MOST_MEGABYTES)
    const { mtime } = await stat(path)
    return { text, writtenOn: mtime.toISOString().slice(0, 10) }
  } catch (error) {
    const { code, message: words } = error as NodeJS.ErrnoException
    const reason = code ?? words
    const message = `the configuration file cannot be read (${reason})`
    return {
      problem: { file: path, line: null, column: null, path: '', message, remedy: 'correct IMAGEGATE_CONFIG or the file’s permissions' },
    }
  }
}

const dataDirectoryOf = (variables: Variables): string => resolve(variables.read('IMAGEGATE_DATA') ?? 'data')

/** Nothing can be kept there, and Node tries for ever to make a folder in one of a process. */
const kernelFolder = (path: string): readonly ConfigProblem[] =>
  /^\/(proc|sys)(\/|$)/.test(path)
    ? [inEnvironment('IMAGEGATE_DATA', `${path} is the kernel's and keeps no files`, 'name a folder on a disk')]
    : []

const byPosition = (left: ConfigProblem, right: ConfigProblem): number =>
  (left.line ?? 0) - (right.line ?? 0) || (left.column ?? 0) - (right.column ?? 0)

interface Parts extends Pick<Config, 'path' | 'isEmpty' | 'relays'> {
  readonly file: ConfigFile
  readonly variables: Variables
  readonly catalogue: Catalogue
  readonly server: Pick<Config, 'server' | 'logLevel'>
  readonly proxy: Config['network']['proxy']
  readonly providers: Pick<Config, 'sandbox' | 'providers'>
}

function snapshot({ path, isEmpty, file, variables, catalogue, relays, server, proxy, providers }: Parts): Config {
  const configured = keptIn(dataDirectoryOf(variables), file)
  const inUse = providers.sandbox ? keptIn(join(configured.dataDirectory, SANDBOX_FOLDER), {}) : configured
  return deepFreeze({
    path,
    isEmpty,
    ...server,
    dataDirectory: inUse.dataDirectory,
    configured,
    storeUrl: inUse.storeUrl,
    assets: {
      url: inUse.assetsUrl,
      keep: file.assets?.keep ?? true,
      maxImageBytes: file.assets?.max_image_bytes ?? DEFAULT_MAX_IMAGE_BYTES,
      maxAgeDays: file.assets?.max_age_days ?? null,
      maxBytes: file.assets?.max_bytes ?? null,
      linkTtlMs: durationMs(file.assets?.link_ttl ?? DEFAULT_LINK_TTL),
      public: file.assets?.public ?? false,
      servedBy: inUse.assetsUrl.startsWith('s3:') ? (file.assets?.served_by ?? 'gateway') : 'gateway',
    },
    breaker: breakerOf(file.breaker, providers.sandbox),
    routing: { slotWaitMs: file.routing?.slot_wait_ms ?? DEFAULT_SLOT_WAIT_MS },
    keys: (file.keys ?? []).map(gatewayKey),
    trustProxy: file.server?.trust_proxy ?? [],
    limits: limitsOf(file.limits),
    network: { allow: file.network?.allow ?? [], proxy },
    webhooks: { secrets: (file.webhooks?.secrets ?? []).map((secret) => new Secret(secret)) },
    ...providers,
    relays,
    models: new Map(Object.entries(file.models ?? {}).map(([name, settings]) => [name, modelConfig(catalogue, name, settings)])),
  })
}

/** Where a data folder keeps its database and images, unless the file says otherwise. */
const keptIn = (dataDirectory: string, { store, assets }: Pick<ConfigFile, 'store' | 'assets'>): Config['configured'] => ({
  dataDirectory,
  storeUrl: absolute(store?.url ?? `file:${dataDirectory}/imagegate.db`),
  assetsUrl: absolute(assets?.url ?? `file:${dataDirectory}/images`),
})

/** `file:data/x` becomes `file:/…/data/x`; other schemes stay. */
const absolute = (url: string): string =>
  url.startsWith('file:') ? `file:${resolve(url.slice('file:'.length).replace(/^\/\/(?=\/)/, ''))}` : url

/** In the sandbox failures are rehearsed by prompt and say nothing of a provider, so there it is off unless the file asks for it. */
function breakerOf(settings: ConfigFile['breaker'], sandbox: boolean): Config['breaker'] {
  if (sandbox && !settings) return null
  const { faults = DEFAULT_FAULTS, cool_down_seconds: seconds = DEFAULT_COOL_DOWN_SECONDS } = settings ?? {}
  return { faults, coolDownMs: seconds * 1000 }
}

const gatewayKey = (key: NonNullable<ConfigFile['keys']>[number]): GatewayKey => ({
  name: key.name,
  keyHash: key.key_hash.toLowerCase(),
  budgetUsd: key.budget_usd ?? null,
  period: key.period ?? 'month',
  models: key.models ?? null,
  providers: key.providers ?? null,
  allowUnpriced: key.allow_unpriced ?? false,
  scope: key.admin ? 'admin' : (key.scope ?? 'write'),
  admin: key.admin ?? key.scope === 'admin',
  ratePerMinute: key.rate?.per_minute ?? null,
  expiresAt: key.expires_at ?? null,
})

function modelConfig(catalogue: Catalogue, name: string, settings: NonNullable<ConfigFile['models']>[string]): ModelConfig {
  const target = readModelName(catalogue, settings.model ?? name) ?? { model: name, pinned: null }
  const { retires_on: retiresOn, replaced_by: replacedBy } = settings
  const end = retiresOn === undefined ? null : { retiresOn, ...(replacedBy !== undefined && { replacedBy }) }
  return { ...target, defaults: settings.defaults ?? {}, route: settings.route ?? null, ...(end && { end }) }
}

/** Freezes plain objects and lists all the way down; maps are read-only by type. */
export function deepFreeze<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  const values: readonly unknown[] = value instanceof Map ? [...value.values()] : Object.values(value)
  for (const part of values) deepFreeze(part)
  return Object.freeze(value)
}
