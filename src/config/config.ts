import type { Manifest, RouteRule, Usd } from '#contract'
import type { Secret } from '../transport/secret.ts'
import type { ConfigProblem } from './problem.ts'
import type { KeyScope } from './key-schema.ts'
import type { Limits } from './limits-schema.ts'
import type { PriceOverride } from './price-schema.ts'
import type { Defaults } from './schema.ts'

/** One frozen snapshot of everything the operator decides. A changed file makes a new one; a snapshot never changes. */
export interface Config {
  /** The file it was read from, or null where there is none. */
  readonly path: string | null
  /** Whether the file, where there is one, holds nothing. */
  readonly isEmpty: boolean
  readonly server: {
    readonly host: string
    /** 0 takes a free one. */
    readonly port: number
    /** Without a trailing slash. */
    readonly publicUrl: string | null
    readonly bodyLimitBytes: number
    /** Web pages of these origins may call: scheme, host and port, as a browser sends `Origin`. */
    readonly corsOrigins: readonly string[]
  }
  /** Proxies whose word on the client's address counts: addresses and networks, or how many in a row. */
  readonly trustProxy: readonly string[] | number
  readonly limits: Limits
  readonly logLevel: LogLevel
  /** Absolute; that of a sandbox is a folder of its own inside the configured one, so that play money never meets real money. */
  readonly dataDirectory: string
  /** What is configured for real providers, whether this is a sandbox or not. */
  readonly configured: { readonly dataDirectory: string; readonly storeUrl: string; readonly assetsUrl: string }
  /** `file:<absolute path>` or `postgres://…`. */
  readonly storeUrl: string
  /** `url` is `file:<absolute folder>` or `s3://…`. */
  readonly assets: {
    readonly url: string
    readonly keep: boolean
    readonly maxImageBytes: number
    /** Null: no limit. */
    readonly maxAgeDays: number | null
    readonly maxBytes: number | null
    /** How long a signed image link is valid. */
    readonly linkTtlMs: number
    /** Whether image links are neither signed nor expire, keys or not. */
    readonly public: boolean
    /** Who serves the bytes of an image: this process, or the bucket, whose signed link a caller is sent to. */
    readonly servedBy: 'gateway' | 'bucket'
  }
  /** Null: no breaker ever opens. */
  readonly breaker: { readonly faults: number; readonly coolDownMs: number } | null
  readonly routing: {
    /** How long a full provider keeps a request while another near enough has a free slot. */
    readonly slotWaitMs: number
  }
  readonly keys: readonly GatewayKey[]
  readonly network: {
    readonly allow: readonly string[]
    /** Null: everything is reached directly. */
    readonly proxy: ProxyConfig | null
  }
  /** `whsec_…`, all live at once; none where the gateway uses its own, kept in the data folder. */
  readonly webhooks: { readonly secrets: readonly Secret[] }
  /** No provider has a key: every provider is played by its emulator, and every result says so. */
  readonly sandbox: boolean
  /** What the file says of providers that stand in no folder. `Catalogue.with` has them beside the installed ones. */
  readonly relays: readonly Manifest[]
  /** Every provider, installed or described in the file, disabled ones included. */
  readonly providers: ReadonlyMap<string, ProviderConfig>
  /** What the file says of models and aliases, by the name in the file. */
  readonly models: ReadonlyMap<string, ModelConfig>
}

export interface ProxyConfig {
  /** With the user name and password, where it has them. */
  readonly url: Secret
  /** Scheme, host and port; fit to be shown. */
  readonly address: string
  /** The key or variable it was read from. */
  readonly source: string
  /** Names and addresses that are reached directly, as in NO_PROXY. */
  readonly noProxy: readonly string[]
}

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export interface GatewayKey {
  readonly name: string
  /** SHA-256 of the key, lower-case hex. */
  readonly keyHash: string
  readonly budgetUsd: Usd | null
  readonly period: 'day' | 'month' | 'total'
  readonly models: readonly string[] | null
  readonly providers: readonly string[] | null
  readonly allowUnpriced: boolean
  readonly scope: KeyScope
  /** Whether the scope is `admin`: sees everybody's costs. */
  readonly admin: boolean
  /** Requests in a minute; null: no limit of its own. */
  readonly ratePerMinute: number | null
  /** ISO 8601, from when it is refused; null: never. */
  readonly expiresAt: string | null
}

export interface ProviderConfig {
  readonly id: string
  readonly enabled: boolean
  /** Why it is disabled, with the remedy; null where it is enabled. */
  readonly reason: string | null
  /** Null in the sandbox until the emulator runs, and where the provider is disabled. */
  readonly apiKey: Secret | null
  /** What the vendor signs its callbacks with; null where none is given. */
  readonly callbackSecret: Secret | null
  /** Without a trailing slash. */
  readonly baseUrl: string
  /** Whether the configuration gives the base URL, rather than the manifest. */
  readonly hasOwnBaseUrl: boolean
  readonly maxInFlight: number
  readonly prices: OperatorPrices
  /** A decimal: what the provider takes outside the call, in percent of it. Absent: nothing. */
  readonly surchargePercent?: string
}

/** What the operator pays, where it differs from the manifest. */
export interface OperatorPrices {
  /** Off published prices, 0…100 with at most two decimals. */
  readonly discountPercent: number
  /** By model; final, never discounted. */
  readonly byModel: ReadonlyMap<string, PriceOverride & { readonly as_of: string }>
}

export interface ModelConfig {
  /** A canonical id. */
  readonly model: string
  /** Where the alias names `provider/model`. */
  readonly pinned: string | null
  readonly defaults: Defaults
  /** Null: the model's own rule, or cheapest first. */
  readonly route: RouteRule | null
  /** When the model is no longer sold, as the operator knows it; absent where only the manifests say it. */
  readonly end?: { readonly retiresOn: string; readonly replacedBy?: string }
}

export type ConfigResult = ReadFiles &
  (
    | { readonly kind: 'config'; readonly config: Config; readonly warnings: readonly ConfigProblem[] }
    | { readonly kind: 'refused'; readonly problems: readonly ConfigProblem[] }
  )

/** The files a reading depends on, secret files included, read or not: a change of any of them is worth reading again. */
interface ReadFiles {
  /** Each with its state just before it was read. */
  readonly files: ReadonlyMap<string, string>
}
