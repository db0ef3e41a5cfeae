import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { StartRefused, startGateway } from '../../src/gateway/start.ts'

const servers = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPServerWrap').length

test('a start that fails says why in words and leaves nothing open: no emulator, no lock on the data folder', async () => {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'imagegate-start-'))
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  const { port } = taken.address() as AddressInfo
  const before = servers()
  const refused: unknown = await startGateway({ env: {}, overrides: { port, dataDirectory, quiet: true } }).catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(StartRefused)
  expect(String(refused)).toMatch(/EADDRINUSE.*PORT/)
  await expect.poll(servers).toBe(before)

  const server = await startGateway({ env: {}, overrides: { port: 0, dataDirectory, quiet: true } })
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
  const second: unknown = await startGateway({ env: {}, overrides: { port: 0, dataDirectory, quiet: true } }).catch(
    (error: unknown) => error,
  )
  expect(second).toBeInstanceOf(StartRefused)
  expect(String(second)).toMatch(/another imagegate process is using the data folder/)
  await server.close()
  await expect.poll(servers).toBe(before)
  await new Promise((resolve) => taken.close(resolve))
  rmSync(dataDirectory, { recursive: true })
})
