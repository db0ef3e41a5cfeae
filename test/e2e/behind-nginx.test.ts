import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RunwareServer } from '@runware/sdk-js'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { launchProcess } from './gateway-process.ts'

const NGINX = ['/usr/sbin/nginx', '/usr/bin/nginx'].find((path) => existsSync(path))
if (NGINX === undefined)
  console.warn('nginx is not installed (apt-get install nginx-light): the reverse proxy of docs/deploy.md is NOT tested')

const KEY = 'a-key-for-the-proxy-test'
const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }

describe.skipIf(NGINX === undefined)('the nginx configuration of deploy/', () => {
  let gateway: Awaited<ReturnType<typeof launchProcess>>
  let nginx: ChildProcess
  let folder: string
  let url: string

  beforeAll(async () => {
    const port = await freePort()
    url = `http://127.0.0.1:${port}`
    gateway = await launchProcess({
      typicalMs: 1_000,
      config: `server: { public_url: "${url}", trust_proxy: [127.0.0.1] }\nlimits: { per_address: { requests_per_minute: 900 } }\nkeys: [{ name: team, key_hash: ${createHash('sha256').update(KEY).digest('hex')} }]\n`,
    })
    folder = mkdtempSync(join(tmpdir(), 'imagegate-nginx-'))
    writeFileSync(join(folder, 'nginx.conf'), around(shipped(port, new URL(gateway.url).host), folder))
    nginx = spawn(NGINX ?? '', ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log'), '-g', 'daemon off;'])
    await vi.waitFor(async () => expect((await fetch(`${url}/healthz`)).status).toBe(200), { timeout: 10_000, interval: 100 })
  })
  afterAll(async () => {
    nginx.kill('SIGTERM')
    await gateway.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test('waits for an image, and its link leads back through the proxy', async () => {
    const reply = await fetch(`${url}/v1/generations`, { method: 'POST', headers, body: JSON.stringify(request()) })
    expect(reply.status).toBe(200)
    const { images } = (await reply.json()) as { images: { url: string; bytes: number }[] }
    expect(images[0]?.url.startsWith(`${url}/v1/images/`)).toBe(true)
    const image = await fetch(images[0]?.url ?? '', { headers: { authorization: headers.authorization } })
    expect((await image.arrayBuffer()).byteLength).toBe(images[0]?.bytes)
  })

  test('names the client that limits count, whatever that client wrote of itself', async () => {
    const left = (localAddress: string, more: Readonly<Record<string, string>> = {}) =>
      new Promise<string>((resolve, reject) => {
        get(`${url}/v1/models`, { localAddress, headers: { ...headers, ...more } }, (answer) => {
          answer.resume()
          resolve(/r=(\d+)/.exec(String(answer.headers['ratelimit']))?.[1] ?? '')
        }).on('error', reject)
      })
    expect(await left('127.0.0.2')).toBe('899')
    expect(await left('127.0.0.3')).toBe('899')
    expect(await left('127.0.0.2', { 'x-forwarded-for': '9.9.9.9', forwarded: 'for=9.9.9.9' })).toBe('898')
  })

  test('lets events through as they happen', async () => {
    const started = await fetch(`${url}/v1/generations`, {
      method: 'POST',
      headers: { ...headers, prefer: 'respond-async' },
      body: JSON.stringify(request()),
    })
    const { id } = (await started.json()) as { id: string }
    const stream = await fetch(`${url}/v1/generations/${id}/events`, { headers: { authorization: headers.authorization } })
    const reader = stream.body?.getReader()
    const first = await reader?.read()
    expect(Buffer.from(first?.value ?? []).toString()).toContain('event: queued')
    await reader?.cancel()
    const now = await fetch(`${url}/v1/generations/${id}`, { headers: { authorization: headers.authorization } })
    // The first event came before the end.
    expect(['queued', 'running']).toContain(((await now.json()) as { status: string }).status)
  })

  test('takes a reference of many megabytes, and keeps strangers and the metrics out', async () => {
    const large = JSON.stringify({
      ...request(),
      reference_images: [`data:image/png;base64,${Buffer.alloc(20_000_000).toString('base64')}`],
    })
    const judged = await fetch(`${url}/v1/generations`, { method: 'POST', headers, body: large })
    // It came through whole and was read: zeros are no image.
    expect(judged.status).toBe(400)
    expect(await judged.text()).toContain('reference_images')
    expect((await fetch(`${url}/v1/models`)).status).toBe(401)
    expect((await fetch(`${url}/metrics`, { headers })).status).toBe(403)
  })

  test('passes WebSockets on', async () => {
    const runware = new RunwareServer({ apiKey: KEY, url: `${url.replace('http', 'ws')}/runware/v1` })
    const images = await runware.requestImages({ positivePrompt: 'a lighthouse', model: 'bfl:5@1', width: 256, height: 256 })
    expect(images?.[0]?.imageURL).toContain(url)
    await runware.disconnect()
  })
})

const request = () => ({ model: 'flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256 })

/** What is shipped, with other addresses and without TLS. */
function shipped(port: number, upstream: string): string {
  return readFileSync(join(import.meta.dirname, '../../deploy/nginx/imagegate.conf'), 'utf8')
    .replace('127.0.0.1:8080;', `${upstream};`)
    .replace('listen 443 ssl;', `listen 127.0.0.1:${port};`)
    .replaceAll(/^\s*ssl_certificate.*$/gm, '')
}

const around = (site: string, folder: string): string => `
worker_processes 1;
pid ${folder}/nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  ${site}
}`

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return port
}
