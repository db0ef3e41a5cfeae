import dns from 'node:dns'
import { syncBuiltinESMExports } from 'node:module'
import { isIP } from 'node:net'

/**
 * A resolver for a process that is started with `--import` of this file: `ODD_NAMES` holds, as JSON, the answers that each name gives, one list
 * of addresses a question and the last one for ever, or null where its servers never answer. Such a question keeps one of the two threads that
 * Node has for names, as it does where the servers of a name are silent, and other names wait for one. Name servers know none of these names,
 * or are silent too. Everything else is resolved as ever.
 */
const names = JSON.parse(process.env['ODD_NAMES'] ?? '{}') as Readonly<Record<string, readonly (readonly string[])[] | null>>
const asked = new Map<string, number>()
const resolve = dns.lookup

/** As long as glibc waits for one silent server. */
const SILENT_MS = 10_000
const THREADS = 2
let busy = 0
const waiting: (() => void)[] = []

type Callback = (error: Error | null, address: unknown, family?: number) => void

function lookup(host: string, ...rest: readonly unknown[]): void {
  if (busy === THREADS) return void waiting.push(() => lookup(host, ...rest))
  const answers = names[host]
  if (answers === undefined) return Reflect.apply(resolve, dns, [host, ...rest]) as undefined
  const options = rest.length > 1 ? (rest[0] as { readonly all?: boolean }) : {}
  const callback = rest.at(-1) as Callback
  if (answers === null) return silent(host, callback)
  const count = asked.get(host) ?? 0
  asked.set(host, count + 1)
  const addresses = (answers[Math.min(count, answers.length - 1)] ?? []).map((address) => ({ address, family: isIP(address) }))
  process.nextTick(() => (options.all === true ? callback(null, addresses) : callback(null, addresses[0]?.address, addresses[0]?.family)))
}

function silent(host: string, callback: Callback): void {
  busy += 1
  setTimeout(() => {
    busy -= 1
    callback(Object.assign(new Error(`getaddrinfo EAI_AGAIN ${host}`), { code: 'EAI_AGAIN' }), '')
    for (const next of waiting.splice(0)) next()
  }, SILENT_MS).unref()
}

Object.assign(dns, { lookup })
for (const method of ['resolve4', 'resolve6'] as const) {
  const ask = dns.promises.Resolver.prototype[method] as (host: string) => Promise<string[]>
  Object.assign(dns.promises.Resolver.prototype, {
    [method](this: dns.promises.Resolver, host: string): Promise<string[]> {
      if (names[host] === undefined) return Reflect.apply(ask, this, [host])
      const error = Object.assign(new Error(`${method} ENOTFOUND ${host}`), { code: 'ENOTFOUND' })
      return names[host] === null ? new Promise(() => {}) : Promise.reject(error)
    },
  })
}
syncBuiltinESMExports()
