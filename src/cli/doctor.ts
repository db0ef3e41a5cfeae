import { access, constants, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { addressObjection, shownAddress } from '../client/shown-address.ts'
import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/config.ts'
import { formatProblem } from '../config/problem.ts'
import { exposed } from '../config/protection.ts'
import { loadCatalogue } from '../catalogue/catalogue.ts'
import { OWN_FOLDER } from '../store/own-modes.ts'
import { WEBHOOK_SECRET_FILE } from '../store/secret-files.ts'
import type { Verb } from './verb.ts'
import { addressOf, environmentOf, isGateway, type ConnectOptions } from './connect.ts'
import { dataFolderKeys } from './key-source.ts'
import { callersKey } from './callers-key.ts'
import type { Finding } from './finding.ts'
import { gatewayCommand } from './options.ts'
import { table } from './table.ts'
import type { Terminal } from './terminal.ts'

const OLDEST_NODE = 26

export const doctorVerb: Verb = (terminal, finish) =>
  gatewayCommand('doctor', 'find what would keep the gateway from working').action((options: ConnectOptions & { json?: boolean }) =>
    finish(
      examine(options, terminal).then((findings) => {
        const rows = findings.map(({ check, verdict, detail }) => [verdict, check, detail])
        terminal.out(options.json ? JSON.stringify(findings, null, 2) : table(['', 'check', 'found'], rows))
        return findings.some(({ verdict }) => verdict === 'bad') ? 1 : 0
      }),
    ),
  )

async function examine(options: ConnectOptions, terminal: Terminal): Promise<readonly Finding[]> {
  const catalogue = await loadCatalogue()
  const loaded = await loadConfig({ env: environmentOf(options, terminal), catalogue })
  if (loaded.kind === 'refused') {
    const problems = loaded.problems.map((problem): Finding => ({ check: 'configuration', verdict: 'bad', detail: formatProblem(problem) }))
    return [nodeVersion(), ...problems]
  }
  const { config, warnings } = loaded
  return [
    nodeVersion(),
    { check: 'configuration', verdict: 'ok', detail: config.path === null ? 'no file; defaults and environment' : config.path },
    ...warnings.map((problem): Finding => ({ check: 'configuration', verdict: 'note', detail: formatProblem(problem) })),
    await dataFolder(config),
    ...(await gatewayKeys(config)),
    wayOut(config),
    webhookSecrets(config),
    ...providerKeys(config),
    ...(await server(options, terminal, config)),
  ]
}

function nodeVersion(): Finding {
  const isNew = Number(process.versions.node.split('.')[0]) >= OLDEST_NODE
  const remedy = `; ${OLDEST_NODE} or newer is needed: run it through npm, which brings its own`
  return { check: 'Node.js', verdict: isNew ? 'ok' : 'bad', detail: `${process.version}${isNew ? '' : remedy}` }
}

/** The folder in use, which a sandbox has for itself. */
async function dataFolder({ dataDirectory: directory, sandbox, configured }: Config): Promise<Finding> {
  try {
    await mkdir(directory, { recursive: true, mode: OWN_FOLDER })
    await access(directory, constants.W_OK | constants.R_OK)
    const other = sandbox ? `, the sandbox’s own; real providers have ${configured.dataDirectory}` : ''
    return { check: 'data folder', verdict: 'ok', detail: `${directory}${other}` }
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error)
    return {
      check: 'data folder',
      verdict: 'bad',
      detail: `${directory} cannot be written (${reason}); set IMAGEGATE_DATA to a folder that can`,
    }
  }
}

/** Where nothing else lets the gateway start on a public address: keys made at run time, which a running gateway alone can read. */
async function gatewayKeys(config: Config): Promise<readonly Finding[]> {
  if (exposed(config, () => false) === null) return []
  const source = await dataFolderKeys(config).catch(() => null)
  const made = (await source?.list()) ?? null
  await source?.close()
  if (made === null)
    return [{ check: 'gateway keys', verdict: 'note', detail: 'those made at run time cannot be read while the gateway runs' }]
  const live = made.filter(({ expires_at: end }) => end === null || Date.parse(end) > Date.now())
  const problem = exposed(config, () => live.length > 0)
  if (problem) return [{ check: 'gateway keys', verdict: 'bad', detail: formatProblem(problem) }]
  return [{ check: 'gateway keys', verdict: 'ok', detail: `${live.length} count, for the public address ${config.server.host}` }]
}

/** Which way vendors and downloads are reached; a proxy's user name and password are not shown. */
function wayOut({ network: { proxy } }: Config): Finding {
  if (proxy === null) return { check: 'way out', verdict: 'ok', detail: 'direct; no proxy is configured' }
  const { address, source, noProxy } = proxy
  const besides = noProxy.length === 0 ? '' : `, but directly to ${noProxy.join(', ')}`
  return { check: 'way out', verdict: 'ok', detail: `through the proxy ${address} (${source})${besides}` }
}

/** Says where the secret is, never what: this report is made to be shown to others. */
function webhookSecrets({ webhooks, dataDirectory }: Config): Finding {
  const count = webhooks.secrets.length
  const detail =
    count > 0
      ? `signed with ${count} configured secret${count > 1 ? 's' : ''}`
      : `signed with the gateway’s own secret, kept in ${join(dataDirectory, WEBHOOK_SECRET_FILE)} from the first start on`
  return { check: 'webhooks', verdict: 'ok', detail }
}

function providerKeys(config: Config): readonly Finding[] {
  if (config.sandbox) return [{ check: 'providers', verdict: 'note', detail: 'no API key at all: sandbox, every vendor is emulated' }]
  const findings = [...config.providers.values()].map(({ id, reason }): Finding => ({
    check: `provider ${id}`,
    verdict: reason === null ? 'ok' : 'note',
    detail: reason ?? 'has an API key',
  }))
  const noneEnabled = [...config.providers.values()].every(({ enabled }) => !enabled)
  return noneEnabled
    ? [...findings, { check: 'providers', verdict: 'bad', detail: 'every provider is disabled; nothing can be generated' }]
    : findings
}

async function server(options: ConnectOptions, { env }: Terminal, config: Config): Promise<readonly Finding[]> {
  const named = options.url ?? (env['IMAGEGATE_URL'] || undefined)
  const url = named ?? addressOf(config)
  if (url === null)
    return [{ check: 'server', verdict: 'note', detail: 'its port is chosen at start; name it with --url to have it checked' }]
  const objection = addressObjection(url)
  if (objection !== null) return [{ check: 'server', verdict: 'bad', detail: `--url or IMAGEGATE_URL ${objection}` }]
  if (await isGateway(url))
    return [
      { check: 'server', verdict: 'ok', detail: `answers at ${shownAddress(url)}` },
      await callersKey(url, options.key ?? (env['IMAGEGATE_KEY'] || undefined)),
    ]
  const remedy = named === undefined ? 'start it with `npm start`; other verbs run embedded' : 'start it, or correct --url or IMAGEGATE_URL'
  return [
    { check: 'server', verdict: named === undefined ? 'note' : 'bad', detail: `no imagegate answers at ${shownAddress(url)}; ${remedy}` },
  ]
}
