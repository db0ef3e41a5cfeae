import type { CallbackSignature } from '#contract'
import type { Config } from '../config/config.ts'
import { isLoopback } from '../config/network.ts'
import type { Catalogue } from '../catalogue/catalogue.ts'
import { DELIVERY_DELAYS_MS } from '../core/webhooks/retry-schedule.ts'
import { createInboundHooks } from '../core/scheduling/callback-addresses.ts'
import type { InboundHooks } from '../core/scheduling/callback-addresses.ts'
import { createSignedCallbacks } from '../core/scheduling/signed-callbacks.ts'
import type { SignedCallbacks } from '../core/scheduling/signed-callbacks.ts'
import { createVendorKeys } from '../core/scheduling/vendor-keys.ts'
import type { Download, Store } from '../core/ports.ts'
import { createNotify } from '../core/webhooks/engine.ts'
import type { WebhookFormat } from '../core/webhooks/format.ts'
import type { Notify, NotifyDependencies } from '../core/webhooks/engine.ts'
import { newNodeSecret, newWebhookSecret } from '../core/webhooks/signature.ts'
import { STANDARD, standardFormat } from '../core/webhooks/standard.ts'
import { workAskedAt } from '../http/request-context.ts'
import { webhookFormats } from '../http/compatible/webhook-formats.ts'
import type { WebhookFormatDependencies } from '../http/compatible/webhook-formats.ts'
import { copySecret, NODE_SECRET_FILE, secretInFile, WEBHOOK_SECRET_FILE } from '../store/secret-files.ts'

export interface WebhooksDependencies extends Pick<NotifyDependencies, 'clock' | 'post' | 'log'>, WebhookFormatDependencies {
  readonly store: NotifyDependencies['store'] & Pick<Store, 'secret'>
  readonly config: () => Config
  readonly catalogue: Catalogue
  /** For the lists of keys that vendors sign with. */
  readonly download: Download
  /** Instead of the usual waits between tries. */
  readonly delaysMs?: readonly number[] | undefined
  /** Instead of a minute. */
  readonly claimMs?: number | undefined
}

export interface Webhooks {
  readonly notify: Notify
  readonly hooks: InboundHooks
  readonly signedCallbacks: SignedCallbacks
  /** The header in which a provider repeats the secret it was given; null where it has none. */
  readonly hookSecretHeader: (provider: string) => string | null
}

/** Webhooks out and in, with the secrets that the store keeps. */
export async function createWebhooks(deps: WebhooksDependencies): Promise<Webhooks> {
  const { config, catalogue, store, clock, post, download, log, links, delaysMs = DELIVERY_DELAYS_MS, claimMs } = deps
  const { dataDirectory } = config()
  // Files of earlier versions are taken over once; from then on the store has them, and one is copied for those who read it.
  const own = await store.secret('webhook', (await secretInFile(dataDirectory, WEBHOOK_SECRET_FILE)) ?? newWebhookSecret())
  await copySecret(dataDirectory, WEBHOOK_SECRET_FILE, own)
  const key = Buffer.from(await store.secret('node', (await secretInFile(dataDirectory, NODE_SECRET_FILE)) ?? newNodeSecret()), 'base64')
  const secrets = (): readonly string[] => {
    const configured = config().webhooks.secrets
    return configured.length > 0 ? configured.map((secret) => secret.reveal()) : [own]
  }
  const formats = new Map([[STANDARD, standardFormat({ secrets, links })] as const, ...webhookFormats(deps)].map(ofNoRequest))
  return {
    notify: createNotify({ store, clock, post, log, formats, delaysMs, claimMs, random: Math.random }),
    hooks: createInboundHooks({ key, baseFor: callbackBase(config, catalogue) }),
    signedCallbacks: createSignedCallbacks({
      signatureOf: signatureOf(config, catalogue),
      secretsOf: (id) => {
        const secret = config().providers.get(id)?.callbackSecret
        return secret ? [secret.reveal()] : []
      },
      keys: createVendorKeys(download, clock, (url, reason) =>
        log.warn({ url, reason }, 'a vendor’s list of keys cannot be had: callbacks that it would prove are not believed'),
      ),
      clock,
    }),
    hookSecretHeader: (id) => catalogue.providers.get(id)?.manifest.webhook_secret_header ?? null,
  }
}

/** A delivery is tried when anybody’s request comes, and its links are not that one’s. Where this machine was asked, it may listen elsewhere by now. */
const ofNoRequest = ([name, format]: readonly [string, WebhookFormat]): readonly [string, WebhookFormat] => [
  name,
  {
    ...format,
    render(end, index) {
      const asked = URL.parse(end.target.askedAt ?? '')
      return workAskedAt(asked === null || isLoopback(asked.hostname) ? null : asked, () => format.render(end, index))
    },
  },
]

/** How a provider signs its callbacks; null where it does not, and in the sandbox, whose emulators have no vendor's key. */
const signatureOf =
  (config: () => Config, catalogue: Catalogue) =>
  (id: string): CallbackSignature | null =>
    config().sandbox ? null : (catalogue.providers.get(id)?.manifest.callbacks?.signature ?? null)

/** The base of the addresses for a provider's callbacks; null where it sends none, or cannot reach us. */
function callbackBase(config: () => Config, catalogue: Catalogue): (provider: string) => string | null {
  const { publicUrl } = config().server
  return (id) => {
    const provider = catalogue.providers.get(id)
    const settings = config().providers.get(id)
    if (publicUrl === null || !provider?.manifest.declares.webhook || !settings) return null
    // What nobody could check is not asked for: the provider is polled.
    if (signatureOf(config, catalogue)(id)?.scheme === 'standard-webhooks' && settings.callbackSecret === null) return null
    return isReachableFrom(settings.baseUrl, publicUrl, config().sandbox) ? publicUrl : null
  }
}

/**
 * Whether a provider can be expected to reach the gateway: over https from anywhere, and on loopback only from this machine, where emulators
 * are, which in turn call nobody else.
 */
function isReachableFrom(providerUrl: string, publicUrl: string, isSandbox: boolean): boolean {
  const { hostname, protocol } = new URL(publicUrl)
  if (isLoopback(hostname)) return isLoopback(new URL(providerUrl).hostname)
  return protocol === 'https:' && !isSandbox
}
