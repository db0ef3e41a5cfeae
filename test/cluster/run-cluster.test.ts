import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ask } from '../crash/nodes.ts'
import { freePort } from '../support/free-port.ts'
import { POSTGRES_PROGRAMS } from '../support/postgres.ts'

test.skipIf(POSTGRES_PROGRAMS === null)(
  '`npm run cluster` starts three gateways that buy at emulated vendors, says where they are, and ends all of them at Ctrl-C',
  { timeout: 120_000 },
  async () => {
    const child = spawn(process.execPath, [join(import.meta.dirname, '../support/run-cluster.ts'), '--port', String(await freePort())])
    onTestFinished(() => void child.kill('SIGKILL'))
    let said = ''
    child.stdout.on('data', (chunk) => (said += String(chunk)))
    child.stderr.on('data', (chunk) => (said += String(chunk)))
    const ended = once(child, 'exit')
    await expect.poll(() => said, { timeout: 60_000 }).toContain('Ctrl-C ends all')
    const gateways = [...said.matchAll(/^gateway-\d +(\S+) +\(process (\d+);/gm)].map(([, url = '', pid = '']) => ({
      url,
      pid: Number(pid),
    }))
    expect(gateways).toHaveLength(3)
    const balancer = /^load balancer +(http\S+)$/m.exec(said)?.[1]
    const asked = [...gateways.map(({ url }) => url), ...(balancer === undefined ? [] : [balancer])]
    const bought = await Promise.all(asked.map((url) => ask({ url }, 'flux-2-pro', { prefer: 'wait=50' })))
    expect(bought.map(({ status, generation }) => `${status} ${generation.status}`)).toEqual(asked.map(() => '200 succeeded'))
    child.kill('SIGINT')
    expect(await ended).toEqual([0, null])
    const isAlive = (pid: number): boolean => {
      try {
        return process.kill(pid, 0)
      } catch {
        return false
      }
    }
    expect(gateways.filter(({ pid }) => isAlive(pid))).toEqual([])
  },
)
