import { isIP } from 'node:net'
import { z } from 'zod'

const most = (what: string, byDefault: number) =>
  z
    .union([z.literal('off'), z.number().int().min(1)], { error: 'a whole number from 1, or "off"' })
    .optional()
    .meta({ description: `${what} Default ${byDefault}; "off" sets no limit.` })

const MEBIBYTE = 1_048_576
const DEFAULTS = {
  perAddress: { requestsPerMinute: 60_000, sockets: 2_000, bytes: 512 * MEBIBYTE },
  perKey: { generations: 20_000, streams: 1_000, bytes: 1_024 * MEBIBYTE },
  all: { sockets: 20_000, generations: 100_000, streams: 5_000, bytes: 2_048 * MEBIBYTE },
} as const
const { perAddress, perKey, all } = DEFAULTS
const BYTES = 'Bytes of request bodies on their way at once; bodies below 64 KiB do not count.'
const STREAMS = 'Event streams and WebSockets open at once.'
const GENERATIONS = 'Generations open at once.'

/** What one caller, and all of them together, may take at once. More is answered with 429. */
export const LimitSettings = z
  .strictObject({
    per_address: z
      .strictObject({
        requests_per_minute: most('Requests in a minute.', perAddress.requestsPerMinute),
        sockets: most('Connections open at once.', perAddress.sockets),
        bytes: most(BYTES, perAddress.bytes),
      })
      .optional()
      .meta({
        description:
          'For one client address (an IPv6 network of 64 bits is one); see server.trust_proxy. Where this section is absent, clients on the same machine are not counted, since a proxy that is not trusted by name may speak for many.',
      }),
    per_key: z
      .strictObject({
        generations: most(GENERATIONS, perKey.generations),
        streams: most(STREAMS, perKey.streams),
        bytes: most(BYTES, perKey.bytes),
      })
      .optional()
      .meta({ description: 'For one gateway key. Its requests in a minute stand at the key: rate.per_minute.' }),
    all: z
      .strictObject({
        sockets: most('Connections open at once.', all.sockets),
        generations: most(GENERATIONS, all.generations),
        streams: most(STREAMS, all.streams),
        bytes: most(BYTES, all.bytes),
      })
      .optional()
      .meta({ description: 'For all callers together.' }),
  })
  .meta({ description: 'What callers may take at once; more is answered with 429 and Retry-After. A change acts at once.' })

const isNetwork = (text: string): boolean => {
  const [address = '', bits, ...rest] = text.split('/')
  const version = isIP(address)
  if (version === 0 || rest.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128))
}

export const TrustProxy = z
  .union([z.number().int().min(1).max(10), z.array(z.string().refine(isNetwork))], {
    error: 'a list of addresses and networks of proxies, such as ["127.0.0.1", "10.0.0.0/8"], or the number of proxies in a row',
  })
  .meta({
    description:
      'Proxies whose X-Forwarded-For (else Forwarded) names the client: addresses and networks, or the number of proxies in a row. Each must set or extend that header. It decides which address counts in limits. A change acts at once. Default: none.',
  })

/** Null: no limit. */
type Most = number | null

export interface Limits {
  readonly perAddress: {
    readonly requestsPerMinute: Most
    readonly sockets: Most
    readonly bytes: Most
    /** Whether clients on this machine count too. */
    readonly countsLoopback: boolean
  }
  readonly perKey: { readonly generations: Most; readonly streams: Most; readonly bytes: Most }
  readonly all: { readonly sockets: Most; readonly generations: Most; readonly streams: Most; readonly bytes: Most }
}

const orDefault = (set: number | 'off' | undefined, byDefault: number): Most => (set === 'off' ? null : (set ?? byDefault))

export function limitsOf(file: z.infer<typeof LimitSettings> = {}): Limits {
  return {
    perAddress: {
      requestsPerMinute: orDefault(file.per_address?.requests_per_minute, perAddress.requestsPerMinute),
      sockets: orDefault(file.per_address?.sockets, perAddress.sockets),
      bytes: orDefault(file.per_address?.bytes, perAddress.bytes),
      countsLoopback: file.per_address !== undefined,
    },
    perKey: {
      generations: orDefault(file.per_key?.generations, perKey.generations),
      streams: orDefault(file.per_key?.streams, perKey.streams),
      bytes: orDefault(file.per_key?.bytes, perKey.bytes),
    },
    all: {
      sockets: orDefault(file.all?.sockets, all.sockets),
      generations: orDefault(file.all?.generations, all.generations),
      streams: orDefault(file.all?.streams, all.streams),
      bytes: orDefault(file.all?.bytes, all.bytes),
    },
  }
}
