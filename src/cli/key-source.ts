import type { GatewayKeyState, GatewayKeyWithSecret, NewGatewayKey } from '#contract'
import { loadCatalogue } from '../catalogue/catalogue.ts'
import type { Config } from '../config/config.ts'
import { createGatewayKeys, KeyRefused } from '../core/keys/gateway-keys.ts'
import { newNodeSecret } from '../core/webhooks/signature.ts'
import { keyObjection } from '../gateway/gateway-keys.ts'
import { storageFolders } from '../gateway/storage-folders.ts'
import { keyView, newKey } from '../http/api/keys.ts'
import { openStore } from '../store/sqlite/store.ts'
import { inWords } from './backup.ts'
import { VerbFailed } from './terminal.ts'

/** Where gateway keys are kept: a running gateway, or the data folder of one that is stopped. */
export interface KeySource {
  /** For the reader. */
  readonly where: string
  list(): Promise<readonly GatewayKeyState[]>
  create(asked: NewGatewayKey): Promise<GatewayKeyWithSecret>
  rotate(name: string, asked: { readonly grace_seconds: number }): Promise<GatewayKeyWithSecret>
  revoke(name: string): Promise<void>
  close(): Promise<void>
}

export function runningKeys(url: string, key: string | undefined): KeySource {
  const base = url.replace(/\/+$/, '')
  async function ask(method: string, path: string, body?: object): Promise<unknown> {
    const headers: Record<string, string> = {
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      ...(body ? { 'content-type': 'application/json' } : {}),
    }
    const reply = await fetch(`${base}${path}`, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) })
    const text = await reply.text()
    if (reply.ok) return text === '' ? null : (JSON.parse(text) as unknown)
    const { detail = `the gateway answered ${reply.status}` } = JSON.parse(text) as { detail?: string }
    throw new VerbFailed(detail)
  }
  const path = (name: string): string => `/v1/keys/${encodeURIComponent(name)}`
  return {
    where: base,
    list: async () => ((await ask('GET', '/v1/keys')) as { data: GatewayKeyState[] }).data,
    create: async (asked) => (await ask('POST', '/v1/keys', asked)) as GatewayKeyWithSecret,
    rotate: async (name, asked) => (await ask('POST', `${path(name)}/rotate`, asked)) as GatewayKeyWithSecret,
    revoke: async (name) => void (await ask('DELETE', path(name))),
    close: async () => {},
  }
}

/** The keys in the data folder of a gateway that is stopped, where the last one may be taken away too. */
export async function dataFolderKeys(config: Config): Promise<KeySource> {
  const catalogue = (await loadCatalogue()).with(config.relays)
  const { store: directory } = storageFolders(config)
  const store = await openStore({ directory, money: config.sandbox ? 'play' : 'real' }).catch((error: unknown) => {
    throw inWords(error)
  })
  const keys = await createGatewayKeys({
    store,
    clock: { now: () => Date.now() },
    log: { error: () => {} },
    pepper: await store.secret('key-pepper', newNodeSecret()),
    configured: () => config.keys,
    isStopped: true,
  })
  return {
    where: directory,
    list: async () => keys.list().map(keyView),
    async create({ secret: given, ...asked }) {
      const objection = keyObjection(() => config, catalogue)(asked)
      if (objection) throw new VerbFailed(`${objection.path}: ${objection.message}`)
      const { key, secret } = await keys.create(newKey(asked), given).catch(refused)
      return { ...keyView(key), secret }
    },
    async rotate(name, { grace_seconds: graceSeconds }) {
      const { key, secret } = await keys.rotate(name, graceSeconds * 1_000).catch(refused)
      return { ...keyView(key), secret }
    },
    revoke: (name) => keys.revoke(name).catch(refused),
    close: () => store.close(),
  }
}

function refused(error: unknown): never {
  throw error instanceof KeyRefused ? new VerbFailed(error.message) : error
}
