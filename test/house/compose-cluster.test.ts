import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { loadCatalogue } from '../../src/catalogue/catalogue.ts'
import { loadConfig } from '../../src/config/load.ts'
import { storageOf } from '../../src/gateway/storage-folders.ts'
import { readText, ROOT } from '../support/source-tree.ts'

const Service = z.object({
  profiles: z.array(z.string()).default([]),
  image: z.string().optional(),
  ports: z.array(z.string()).default([]),
  environment: z.record(z.string(), z.string()).default({}),
  volumes: z.array(z.string()).default([]),
  depends_on: z.union([z.array(z.string()), z.record(z.string(), z.unknown()).transform(Object.keys)]).default([]),
  read_only: z.boolean().default(false),
  cap_drop: z.array(z.string()).default([]),
  secrets: z.array(z.string()).default([]),
})
const Compose = z.object({
  services: z.record(z.string(), Service),
  volumes: z.record(z.string(), z.unknown()),
  secrets: z.record(z.string(), z.object({ environment: z.string() })),
})

const { services, volumes, secrets } = Compose.parse(parse(readText('docker-compose.yml'), { merge: true }))
const service = (name: string) => {
  const found = services[name]
  if (!found) throw new Error(`docker-compose.yml has no ${name}`)
  return found
}
const GATEWAYS = ['gateway-1', 'gateway-2', 'gateway-3']
const fileOf = (path: string): unknown => parse(readText(path))

/** What compose puts into `${NAME}` and `${NAME:-default}`. */
const filled = (text: string, values: Readonly<Record<string, string>>): string =>
  text.replaceAll(/\$\{([A-Z0-9_]+)(?::-([^}]*))?\}/g, (_, name: string, fallback = '') => values[name] ?? String(fallback))

describe('docker compose', () => {
  test('starts one node without a profile, and the cluster with its own', () => {
    const named = (profiles: readonly string[]) =>
      Object.entries(services).flatMap(([name, one]) => (one.profiles.join() === profiles.join() ? [name] : []))
    expect(named([])).toEqual(['imagegate'])
    expect(named(['cluster'])).toEqual([...GATEWAYS, 'balancer', 'postgres', 'objects', 'prometheus', 'grafana'])
  })

  test('pins every foreign image to a version, and publishes no port twice or to other machines', () => {
    const foreign = Object.values(services).flatMap(({ image }) => (image === undefined || image === 'imagegate' ? [] : [image]))
    expect(foreign.filter((image) => !/:v?\d+\.\d+(\.\d+)?(-alpine)?$/.test(image))).toEqual([])
    const ports = Object.values(services).flatMap((one) => one.ports)
    expect(new Set(ports.map((port) => port.split(':')[1])).size).toBe(ports.length)
    expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([])
  })

  test('mounts only files that are there and volumes that it declares, and depends on services of its own', () => {
    const sources = Object.values(services).flatMap((one) => one.volumes.map((volume) => filled(volume, {}).split(':')[0] ?? ''))
    expect(sources.filter((source) => (source.startsWith('.') ? !existsSync(join(ROOT, source)) : !(source in volumes)))).toEqual([])
    const wanted = Object.values(services).flatMap((one) => [...one.depends_on])
    expect(wanted.filter((name) => !(name in services))).toEqual([])
    expect(
      Object.values(services)
        .flatMap((one) => one.secrets)
        .filter((name) => !(name in secrets)),
    ).toEqual([])
  })

  test('gives each gateway of the cluster a configuration that this version takes, with the database and the bucket of the same file', async () => {
    const values = {
      POSTGRES_PASSWORD: 'secret',
      S3_SECRET: 'secret',
      IMAGEGATE_KEY_HASH: createHash('sha256').update('a key of 16 and more').digest('hex'),
    }
    const data = mkdtempSync(join(tmpdir(), 'imagegate-compose-'))
    try {
      for (const name of GATEWAYS) {
        const { environment, volumes: mounted, read_only: isReadOnly, cap_drop: dropped } = service(name)
        expect([isReadOnly, dropped]).toEqual([true, ['ALL']])
        const inside = environment['IMAGEGATE_CONFIG'] ?? ''
        const folder = mounted.map((volume) => volume.split(':')).find(([, at]) => at === dirname(inside))?.[0] ?? ''
        const env = Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, filled(value, values)]))
        const loaded = await loadConfig({
          env: { ...env, IMAGEGATE_CONFIG: join(ROOT, folder, basename(inside)), IMAGEGATE_DATA: data, BFL_API_KEY: 'k' },
          catalogue: await loadCatalogue(),
        })
        if (loaded.kind !== 'config') throw new Error(JSON.stringify(loaded))
        const { store, folders } = storageOf(loaded.config)
        const database = service('postgres').environment
        expect(store).toMatchObject({
          kind: 'postgres',
          url: `postgres://${database['POSTGRES_USER']}:secret@postgres:5432/${database['POSTGRES_DB']}`,
        })
        expect(folders.assets).toMatchObject({ kind: 'bucket', bucket: { bucket: service('objects').environment['S3_BUCKET'] } })
        expect(JSON.stringify(folders.assets)).toContain('http://objects:8333')
        expect(env['AWS_ACCESS_KEY_ID']).toBe(service('objects').environment['AWS_ACCESS_KEY_ID'])
        expect(loaded.config.server.host).toBe('0.0.0.0')
      }
    } finally {
      rmSync(data, { recursive: true, force: true })
    }
  })

  test('has nginx ask, and Prometheus scrape, every gateway at its own port, and Grafana show what Prometheus has', () => {
    const { ports, volumes: mounted } = service('balancer')
    const site = readText('deploy/nginx/cluster.conf')
    expect(mounted).toEqual(['./deploy/nginx/cluster.conf:/etc/nginx/conf.d/default.conf:ro'])
    const listens = /listen (\d+);/.exec(site)?.[1]
    expect(ports.map((port) => port.split(':')[2])).toEqual([listens])
    const addresses = GATEWAYS.map((name) => `${name}:${service(name).environment['PORT']}`)
    expect([...site.matchAll(/^ {4}server (\S+:\d+)/gm)].map(([, address]) => address)).toEqual(addresses)
    const scraped = fileOf('deploy/prometheus/prometheus.yml') as {
      readonly rule_files: readonly string[]
      readonly scrape_configs: readonly [
        {
          readonly static_configs: readonly [{ readonly targets: readonly string[] }]
          readonly authorization: { readonly credentials_file: string }
        },
      ]
    }
    expect(scraped.scrape_configs[0].static_configs[0].targets).toEqual(addresses)
    expect(scraped.scrape_configs[0].authorization.credentials_file).toBe(`/run/secrets/${service('prometheus').secrets[0]}`)
    expect(scraped.rule_files.filter((file) => !existsSync(join(ROOT, 'deploy/prometheus', file)))).toEqual([])
    const { datasources } = fileOf('deploy/grafana/provisioning/datasources/prometheus.yaml') as {
      readonly datasources: readonly unknown[]
    }
    expect(datasources).toMatchObject([{ type: 'prometheus', url: 'http://prometheus:9090', isDefault: true }])
    const { providers } = fileOf('deploy/grafana/provisioning/dashboards/folder.yaml') as {
      readonly providers: readonly { readonly options: { readonly path: string } }[]
    }
    const shown =
      service('grafana')
        .volumes.find((volume) => volume.includes('imagegate.json'))
        ?.split(':')[1] ?? ''
    expect(providers.map(({ options }) => options.path)).toEqual([dirname(shown)])
  })

  test.skipIf(spawnSync('promtool', ['--version']).error !== undefined)('gives Prometheus a configuration that Prometheus takes', () => {
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'config', '--syntax-only', 'deploy/prometheus/prometheus.yml'], {
      cwd: ROOT,
      encoding: 'utf8',
    })
    expect(status, stdout + stderr).toBe(0)
  })
})

test('the image is built in stages, and its last one holds no tool of development', () => {
  const stages = readText('Dockerfile')
    .split(/^FROM /m)
    .slice(1)
  const last = stages.at(-1) ?? ''
  expect(stages.length).toBeGreaterThan(1)
  const [from = ''] = /COPY --from=(\S+) \S*node_modules/.exec(last)?.slice(1) ?? []
  expect(stages.find((stage) => new RegExp(`^\\S+ AS ${from}\\b`).test(stage))).toContain('npm ci --omit=dev')
  expect(last).not.toMatch(/npm (ci|install)/)
})
