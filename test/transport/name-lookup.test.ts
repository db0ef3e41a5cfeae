import type { LookupAddress } from 'node:dns'
import { expect, test } from 'vitest'
import { createStrangersLookup } from '../../src/transport/name-lookup.ts'

type Addresses = readonly LookupAddress[]
const A: Addresses = [{ address: '192.0.2.1', family: 4 }]
const B: Addresses = [{ address: '2001:db8::1', family: 6 }]
const noServer = (): Promise<Addresses> => Promise.reject(new Error('no server'))

/** The system's threads, whose answers a test gives. */
function system() {
  const asked: { readonly host: string; answer(addresses: Addresses | Error): void }[] = []
  const askSystem = (host: string): Promise<Addresses> =>
    new Promise((resolve, reject) => {
      asked.push({ host, answer: (given) => (given instanceof Error ? reject(given) : resolve(given)) })
    })
  return { asked, askSystem, hosts: () => asked.map(({ host }) => host) }
}

const ask = (lookup: ReturnType<typeof createStrangersLookup>, host: string, options = { all: true }): Promise<unknown> =>
  new Promise((resolve, reject) => lookup(host, options, (error, ...answer) => (error === null ? resolve(answer) : reject(error))))

test('one name of strangers is asked of the system at a time, and those that wait are answered by the name servers', async () => {
  const { asked, askSystem, hosts } = system()
  const askServers = (host: string) => (host === 'silent.test' ? new Promise<Addresses>(() => {}) : Promise.resolve(A))
  const lookup = createStrangersLookup({ askSystem, askServers })
  const silent = ask(lookup, 'silent.test')
  expect(await Promise.all(['one.test', 'two.test'].map((host) => ask(lookup, host)))).toEqual([[A], [A]])
  expect(hosts()).toEqual(['silent.test'])
  // Whoever was answered is asked for no more.
  asked[0]?.answer(B)
  expect(await silent).toEqual([B])
  expect(hosts()).toEqual(['silent.test'])
})

test('a name that only the system knows waits for its turn, and is given up in time', async () => {
  const { asked, askSystem, hosts } = system()
  const lookup = createStrangersLookup({ askSystem, askServers: noServer, longestMs: 50 })
  await expect(ask(lookup, 'silent.test')).rejects.toThrow('silent.test was not resolved within 50 ms')
  await expect(ask(lookup, 'late.test')).rejects.toThrow('late.test was not resolved within 50 ms')
  asked[0]?.answer(new Error('EAI_AGAIN'))
  await new Promise(setImmediate)
  const answered = ask(lookup, 'hosts.test', { all: false })
  expect(hosts()).toEqual(['silent.test', 'hosts.test'])
  asked[1]?.answer(A)
  expect(await answered).toEqual(['192.0.2.1', 4])
})

test('a name that nobody knows fails in the words of the system', async () => {
  const { asked, askSystem } = system()
  const failed = ask(createStrangersLookup({ askSystem, askServers: noServer }), 'nobody.test')
  asked[0]?.answer(new Error('getaddrinfo ENOTFOUND nobody.test'))
  await expect(failed).rejects.toThrow('getaddrinfo ENOTFOUND nobody.test')
})
