import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { loadCatalogue } from '../../src/catalogue/catalogue.ts'
import { loadConfig } from '../../src/config/load.ts'
import { providerFolders, readManifest } from '../support/installed-providers.ts'
import { readText, ROOT } from '../support/source-tree.ts'

const PORT = '8080'

/** Either way compose lets one write the environment, as pairs. A variable without a value is passed through. */
const Environment = z.union([
  z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])).transform((map) => new Map(Object.entries(map))),
  z
    .array(z.string())
    .transform((lines) => new Map(lines.map((line) => [line.split('=')[0] ?? '', line.split('=').slice(1).join('=')] as const))),
])

const Compose = z.object({
  services: z.record(
    z.string(),
    z.object({
      build: z.unknown().optional(),
      image: z.string().optional(),
      ports: z.array(z.union([z.string(), z.number()])).default([]),
      environment: Environment.optional(),
      env_file: z.array(z.strictObject({ path: z.string(), required: z.boolean() })).default([]),
      volumes: z.array(z.string()).default([]),
    }),
  ),
  volumes: z.record(z.string(), z.unknown()).default({}),
})

/** Instructions of a Dockerfile: continued lines joined, comments left out. */
function dockerInstructions(): readonly { readonly name: string; readonly value: string }[] {
  return readText('Dockerfile')
    .split('\n')
    .filter((line) => !line.trim().startsWith('#'))
    .join('\n')
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => /^\s*([A-Za-z]+)\s+(.*)$/.exec(line))
    .map((match) => ({ name: (match?.[1] ?? '?').toUpperCase(), value: (match?.[2] ?? '').trim() }))
}

const KNOWN = new Set('FROM RUN CMD LABEL EXPOSE ENV ADD COPY ENTRYPOINT VOLUME USER WORKDIR ARG STOPSIGNAL HEALTHCHECK SHELL'.split(' '))

/** `ENV A=1 B="2"` as pairs; the last one wins. */
const dockerEnvironment = (): ReadonlyMap<string, string> =>
  new Map(
    dockerInstructions()
      .filter(({ name }) => name === 'ENV')
      .flatMap(({ value }) => [...value.matchAll(/([A-Z_][A-Z0-9_]*)=("[^"]*"|\S*)/g)])
      .map(([, name = '', value = '']) => [name, value.replaceAll('"', '')]),
  )

describe('Dockerfile', () => {
  test('is there and uses only instructions Docker knows', () => {
    expect(existsSync(join(ROOT, 'Dockerfile')), 'Dockerfile is not written yet').toBe(true)
    const instructions = dockerInstructions()
    expect(instructions.filter(({ name }) => !KNOWN.has(name))).toEqual([])
    expect(instructions.find(({ name }) => name !== 'ARG')?.name).toBe('FROM')
  })

  test('listens on every interface of its container, on the port it exposes', () => {
    const exposed = dockerInstructions().find(({ name }) => name === 'EXPOSE')?.value
    const environment = dockerEnvironment()
    expect(exposed).toBe(PORT)
    expect(environment.get('PORT') ?? PORT).toBe(PORT)
    expect(environment.get('HOST')).toBe('0.0.0.0')
  })

  test('says where its data lives, and runs as somebody other than root', () => {
    expect(dockerEnvironment().get('IMAGEGATE_DATA')).toMatch(/^\//)
    expect(dockerInstructions().findLast(({ name }) => name === 'USER')?.value ?? 'root').not.toMatch(/^(root|0)(:|$)/)
  })

  test('starts the server as process 1, so that SIGTERM reaches it', () => {
    const start = dockerInstructions().findLast(({ name }) => name === 'CMD' || name === 'ENTRYPOINT')?.value ?? ''
    expect(start).toMatch(/^\[/)
    expect(start).not.toContain('npm')
    expect(start).toContain('bin/gateway.mjs')
  })

  test('copies only what is there', () => {
    const copied = dockerInstructions()
      .filter(({ name, value }) => name === 'COPY' && !value.includes('--from='))
      .flatMap(({ value }) => value.replaceAll(/--\S+/g, '').trim().split(/\s+/).slice(0, -1))
    expect(copied.filter((path) => !existsSync(join(ROOT, path.replace(/\*.*$/, ''))))).toEqual([])
  })
})

describe('docker-compose.yml', () => {
  const service = () => {
    expect(existsSync(join(ROOT, 'docker-compose.yml')), 'docker-compose.yml is not written yet').toBe(true)
    const compose = Compose.parse(parse(readText('docker-compose.yml')))
    const found = Object.values(compose.services).find(({ build }) => build !== undefined)
    if (found === undefined) throw new Error('docker-compose.yml has no service that is built from this checkout')
    return { compose, found }
  }

  test('publishes the port the server listens on', () => {
    const published = service().found.ports.map((port) => String(port).replace(/\/tcp$/, ''))
    expect(published.some((port) => port === PORT || port.endsWith(`:${PORT}`))).toBe(true)
  })

  test('passes every vendor key on from .env or the host, with none written in', () => {
    const { environment = new Map<string, string>(), env_file: files } = service().found
    expect(files).toEqual([{ path: '.env', required: false }])
    for (const id of providerFolders()) {
      const name = readManifest(id).auth.env
      expect(String(environment.get(name) ?? ''), name).toMatch(/^$|^\$\{[A-Z0-9_]+(:?-)?\}$/)
    }
  })

  test('keeps the data folder on a volume', () => {
    const { compose, found } = service()
    const data = String(found.environment?.get('IMAGEGATE_DATA') ?? dockerEnvironment().get('IMAGEGATE_DATA'))
    const mounted = found.volumes.map((volume) => volume.split(':'))
    const mount = mounted.find(([, inside]) => inside === data)
    expect(mount, `no volume is mounted at ${data}`).toBeDefined()
    const source = mount?.[0] ?? ''
    if (!/^[./~]/.test(source)) expect(Object.keys(compose.volumes)).toContain(source)
  })

  test('mounts the folder of the configuration, which this version accepts as it is', async () => {
    const { found } = service()
    const inside = String(found.environment?.get('IMAGEGATE_CONFIG'))
    const mounted = found.volumes.map((volume) => /^(?:\$\{[A-Z_]+:-)?([^:}]+)\}?:([^:]+)(:ro)?$/.exec(volume))
    const mount = mounted.find((match) => match?.[2] === dirname(inside))
    expect(mount?.[3], 'a folder that holds the configuration is mounted, read-only').toBe(':ro')
    const path = join(ROOT, mount?.[1] ?? '', basename(inside))
    const hash = createHash('sha256').update('a key of sixteen and more').digest('hex')
    const loaded = await loadConfig({
      env: { IMAGEGATE_CONFIG: path, IMAGEGATE_KEY_HASH: hash, HOST: '0.0.0.0', IMAGEGATE_DATA: '/data' },
      catalogue: await loadCatalogue(),
    })
    expect(loaded).toMatchObject({ kind: 'config', config: { server: { host: '0.0.0.0' }, keys: [{ name: 'default', keyHash: hash }] } })
  })
})
