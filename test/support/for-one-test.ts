import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { startOverridden, startProcess } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'

/** Gives the address of a server that listens on loopback until the test has ended. */
export async function listening(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A gateway with a configuration and a folder of its own, both gone once the test has ended; with overrides it is started as tests start one. */
export async function gatewayWith(config: string, overrides?: Parameters<typeof startOverridden>[1]): Promise<ServerProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-one-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'imagegate.yaml')
  writeFileSync(file, config)
  const environment = { IMAGEGATE_DATA: join(folder, 'data'), IMAGEGATE_CONFIG: file }
  const gateway = await (overrides ? startOverridden(environment, overrides) : startProcess(environment))
  onTestFinished(async () => void (await gateway.kill('SIGKILL')))
  return gateway
}
