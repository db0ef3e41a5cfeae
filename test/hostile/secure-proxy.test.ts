import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Generation } from '#contract'
import { startProcess } from '../crash/process.ts'
import { CERTIFICATE, KEY } from '../transport/certificate.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const PASSWORD = 'word-of-the-proxy'

/** A proxy by https, with a certificate for `localhost`, `api.vendor.test` and 127.0.0.1, that refuses each tunnel. */
async function secureProxy(address = '127.0.0.1') {
  const asked: (string | undefined)[] = []
  const server = https.createServer({ key: KEY, cert: CERTIFICATE })
  server.on('connect', ({ url }, socket) => {
    asked.push(url)
    socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n')
  })
  server.listen(0, address)
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, asked }
}

/** What a purchase at Runware says, whose `base_url` is `vendor`, behind a proxy. */
async function bought(vendor: string, proxy: string): Promise<Generation> {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-secure-proxy-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const [config, authority] = [join(folder, 'imagegate.yaml'), join(folder, 'ca.pem')]
  writeFileSync(config, `providers: { runware: { api_key: a-vendor-key-0123, base_url: "${vendor}" } }\n`)
  writeFileSync(authority, CERTIFICATE)
  const gateway = await startProcess({
    IMAGEGATE_CONFIG: config,
    IMAGEGATE_DATA: join(folder, 'data'),
    HTTPS_PROXY: proxy,
    NODE_EXTRA_CA_CERTS: authority,
  })
  onTestFinished(async () => void (await gateway.kill('SIGKILL')))
  const body = JSON.stringify({ model: 'runware/flux-2-pro', prompt: 'a tree', width: 256, height: 256 })
  const headers = { 'content-type': 'application/json', prefer: 'wait=60' }
  return (await fetch(`${gateway.url}/v1/generations`, { method: 'POST', headers, body })).json() as Promise<Generation>
}

test.each(['localhost', '127.0.0.1'])('a proxy by https at %s is known by its own name, whatever the vendor is called', async (host) => {
  const proxy = await secureProxy()
  const generation = await bought('https://api.elsewhere.example', `https://user:${PASSWORD}@${host}:${proxy.port}`)
  expect(generation.error?.message).toContain('the proxy answered 502')
  expect(new Set(proxy.asked)).toEqual(new Set(['api.elsewhere.example:443']))
})

test('a proxy whose certificate is the vendor’s and not its own hears neither the password nor what is asked for', async () => {
  const proxy = await secureProxy('127.0.0.2')
  const generation = await bought('https://api.vendor.test', `https://user:${PASSWORD}@127.0.0.2:${proxy.port}`)
  expect(proxy.asked).toEqual([])
  expect(generation).toMatchObject({ status: 'failed', cost: { amount: '0' }, error: { code: 'provider_unavailable', billed: false } })
  expect(generation.error?.message).toContain('ERR_TLS_CERT_ALTNAME_INVALID')
  expect(JSON.stringify(generation)).not.toContain(PASSWORD)
})
