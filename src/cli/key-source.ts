import { withoutTrailing, type GatewayKeyState, type GatewayKeyWithSecret, type NewGatewayKey } from '#contract'
import { loadCatalogue } from '../catalogue/catalogue.ts'
import { connection } from '../client/connection.ts'
import type { Config } from '../config/config.ts'
import { createGatewayKeys, KeyRefused } from '../core/keys/gateway-keys.ts'
import { newNodeSecret } from '../core/webhooks/signature.ts'
import { CLOCK } from '../gateway/clock-and-ids.ts'
import { keyObjection } from '../gateway/gateway-keys.ts'
import { storageOf } from '../gateway/storage-folders.ts'
import { keyView, newKey } from '../http/api/keys.ts'
import { openStoreAt } from '../store/open-store.ts'
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
  const { json } = connection({ url, key })
  const path = (name: string): string => `/v1/keys/${encodeURIComponent(name)}`
  return {
    where: withoutTrailing(url, '/'),
    list: async () => (await json<{ readonly data: GatewayKeyState[] }>('GET', '/v1/keys')).data,
    create: (asked) => json('POST', '/v1/keys', { body: asked }),
    rotate: (name, asked) => json('POST', `${path(name)}/rotate`, { body: asked }),
    revoke: (name) => json('DELETE', path(name)),
    close: async () => {},
  }
}

/** The keys in the data folder of a gateway that is stopped, where the last one may be taken away too. */
export async function dataFolderKeys(config: Config): Promise<KeySource> {
  const catalogue = (await loadCatalogue()).with(config.relays)
  const { store: location } = storageOf(config)
  const store = await openStoreAt(location, config.sandbox ? 'play' : 'real').catch((error: unknown) => {
    throw inWords(error)
  })
  const keys = await createGatewayKeys({
    store,
    clock: CLOCK,
    log: { error: () => {} },
    pepper: await store.secret('key-pepper', newNodeSecret()),
    configured: () => config.keys,
    isStopped: true,
  })
  return {
    where: location.kind === 'folder' ? location.directory : 'the database of store.url',
    list: async () => keys.list().map(keyView),
    async create({ secret: given, ...asked }) {
      const objection = keyObjection(() => config, catalogue, CLOCK)(asked)
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
