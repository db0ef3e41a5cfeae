import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { IDeployment } from 'kubernetes-models/apps/v1'
import type { ICronJob } from 'kubernetes-models/batch/v1'
import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1'
import type { IService } from 'kubernetes-models/v1'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { loadCatalogue } from '../../src/catalogue/catalogue.ts'
import { loadConfig } from '../../src/config/load.ts'
import { storageOf } from '../../src/gateway/storage-folders.ts'
import { writeAt } from '#contract'
import { SANDBOX_KEY } from '#sandbox'
import { changedVendor } from '../support/changed-vendor.ts'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'
import { loadEmulator } from '../support/installed-providers.ts'
import { readText, ROOT } from '../support/source-tree.ts'

const FOLDER = 'deploy/kubernetes'
const Named = z.looseObject({ apiVersion: z.string(), kind: z.string(), metadata: z.looseObject({ name: z.string() }) })
const Kustomization = z.strictObject({
  apiVersion: z.literal('kustomize.config.k8s.io/v1beta1'),
  kind: z.literal('Kustomization'),
  namespace: z.string(),
  resources: z.array(z.string()),
  configMapGenerator: z.array(z.strictObject({ name: z.string(), files: z.array(z.string()) })),
  generatorOptions: z.strictObject({ disableNameSuffixHash: z.literal(true) }),
  images: z.array(z.strictObject({ name: z.string(), newName: z.string(), newTag: z.string() })),
})
const kustomization = Kustomization.parse(parse(readText(`${FOLDER}/kustomization.yaml`)))
const resources = kustomization.resources.map((name) => Named.parse(parse(readText(`${FOLDER}/${name}`))))
interface Kinds {
  readonly CronJob: ICronJob
  readonly Deployment: IDeployment
  readonly PodDisruptionBudget: IPodDisruptionBudget
  readonly Service: IService
}
const resource = <Kind extends keyof Kinds>(kind: Kind): Kinds[Kind] => {
  const found = resources.find((one) => one.kind === kind)
  if (!found) throw new Error(`no ${kind} in ${FOLDER}`)
  return found as object as Kinds[Kind]
}
const pod = () => {
  const { spec } = resource('Deployment')
  const [container] = spec?.template.spec?.containers ?? []
  if (!spec || !container || !spec.template.spec) throw new Error('the deployment has no container')
  return { deployment: spec, labels: spec.template.metadata?.labels ?? {}, spec: spec.template.spec, container }
}

interface Model {
  validate(): void
}

/** What the Secret of the documents holds. */
const SECRETS = {
  DATABASE_URL: 'postgres://imagegate:secret@db/imagegate',
  IMAGEGATE_KEY_HASH: createHash('sha256').update('a key of 16 and more').digest('hex'),
  AWS_ACCESS_KEY_ID: 'id',
  AWS_SECRET_ACCESS_KEY: 'secret',
  BFL_API_KEY: 'key',
}

/** The schemas let any other field through, so the compiler judges the names. */
function misspelt(): string {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-kubernetes-'))
  try {
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    const lines = resources.map(
      (one, index) =>
        `import type { I${one.kind} as Type${index} } from 'kubernetes-models/${one.apiVersion}'\nexport const value${index}: Type${index} = ${JSON.stringify(one)}`,
    )
    writeFileSync(join(folder, 'resources.ts'), lines.join('\n'))
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--types', '']
    const { stdout, status } = spawnSync(join(ROOT, 'node_modules/.bin/tsc'), [...options, 'resources.ts'], {
      cwd: folder,
      encoding: 'utf8',
    })
    return status === 0 ? '' : stdout
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

describe('deploy/kubernetes', () => {
  test('holds what Kubernetes takes: by its schemas, and with no field that it does not know', { timeout: 60_000 }, async () => {
    for (const one of resources) {
      const models = (await import(/* @vite-ignore */ `kubernetes-models/${one.apiVersion}`)) as Readonly<
        Record<string, new (data: object) => Model>
      >
      const Kind = models[one.kind]
      if (!Kind) throw new Error(`Kubernetes has no ${one.kind} in ${one.apiVersion}`)
      expect(() => new Kind(one).validate(), one.kind).not.toThrow()
    }
    expect(misspelt()).toBe('')
    const written = readdirSync(join(ROOT, FOLDER)).filter((name) => name !== 'kustomization.yaml')
    expect(written.toSorted()).toEqual(
      [...kustomization.resources, ...kustomization.configMapGenerator.flatMap(({ files }) => files)].toSorted(),
    )
  })

  test('runs the image as the Dockerfile makes it: its user, its port, a root that nobody writes, and nothing more allowed than needed', () => {
    const { spec, container } = pod()
    const dockerfile = readText('Dockerfile')
    const user = Number(/useradd --uid (\d+)/.exec(dockerfile)?.[1])
    expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: user, seccompProfile: { type: 'RuntimeDefault' } })
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
    expect(spec.automountServiceAccountToken).toBe(false)
    const port = Number(/^EXPOSE (\d+)$/m.exec(dockerfile)?.[1])
    expect(container.ports).toEqual([{ name: 'http', containerPort: port }])
    const environment = Object.fromEntries((container.env ?? []).map(({ name, value }) => [name, value]))
    expect(environment).toMatchObject({ PORT: String(port), IMAGEGATE_DATA: /IMAGEGATE_DATA=(\S+)/.exec(dockerfile)?.[1] })
    const writable = (container.volumeMounts ?? []).filter(({ readOnly: isReadOnly }) => isReadOnly !== true)
    expect(writable.map(({ mountPath }) => mountPath)).toEqual([environment['IMAGEGATE_DATA'], '/tmp'])
    const declared = (spec.volumes ?? []).map(({ name }) => name)
    expect((container.volumeMounts ?? []).map(({ name }) => name)).toEqual(declared)
  })

  test('asks the probes of the API, and lets a gateway leave the load balancer and drain before it is ended', () => {
    const { spec, container, deployment } = pod()
    const asked = [container.startupProbe, container.readinessProbe, container.livenessProbe].map((probe) => probe?.httpGet)
    expect(asked).toEqual(['/healthz', '/readyz', '/healthz'].map((path) => ({ path, port: 'http' })))
    const [command, seconds] = container.lifecycle?.preStop?.exec?.command ?? []
    expect([command, Number(seconds) >= 10]).toEqual(['sleep', true])
    // As systemd and compose give it.
    const forDrain = Number(/stop_grace_period: (\d+)s/.exec(readText('docker-compose.yml'))?.[1])
    expect((spec.terminationGracePeriodSeconds ?? 0) - Number(seconds)).toBeGreaterThanOrEqual(forDrain)
    expect(deployment.strategy?.rollingUpdate).toEqual({ maxSurge: 1, maxUnavailable: 0 })
  })

  test('keeps all but one gateway through a disruption, and sends requests to all of them', () => {
    const { labels, deployment } = pod()
    const budget = resource('PodDisruptionBudget').spec
    expect([budget?.maxUnavailable, Number(deployment.replicas) > 2]).toEqual([1, true])
    const service = resource('Service').spec
    for (const selector of [deployment.selector.matchLabels, budget?.selector?.matchLabels, service?.selector])
      expect(selector).toEqual(labels)
    expect(service?.ports).toEqual([{ name: 'http', port: 80, targetPort: 'http' }])
    expect(service).not.toHaveProperty('sessionAffinity')
  })

  test('gives every gateway a configuration that this version takes, and every secret from one Secret that the documents make', async () => {
    const { spec, container } = pod()
    const [map] = kustomization.configMapGenerator
    const mounted = spec.volumes?.find(({ name }) => name === 'configuration')
    expect(mounted?.configMap?.name).toBe(map?.name)
    const path = (container.env ?? []).find(({ name }) => name === 'IMAGEGATE_CONFIG')?.value ?? ''
    expect(map?.files).toEqual([basename(path)])
    const [secret] = container.envFrom ?? []
    const documented = readText('docs/deploy.md')
    expect(documented).toContain(`kubectl -n ${kustomization.namespace} create secret generic ${secret?.secretRef?.name}`)
    const data = mkdtempSync(join(tmpdir(), 'imagegate-kubernetes-'))
    try {
      expect(Object.keys(SECRETS).filter((name) => !documented.includes(`--from-literal=${name}=`))).toEqual([])
      const loaded = await loadConfig({
        env: { ...SECRETS, HOST: '0.0.0.0', IMAGEGATE_CONFIG: join(ROOT, FOLDER, basename(path)), IMAGEGATE_DATA: data },
        catalogue: await loadCatalogue(),
      })
      if (loaded.kind !== 'config') throw new Error(JSON.stringify(loaded))
      const { store, folders } = storageOf(loaded.config)
      expect([store.kind, folders.assets.kind]).toEqual(['postgres', 'bucket'])
    } finally {
      rmSync(data, { recursive: true, force: true })
    }
  })

  test(
    'compares prices once a day, however many gateways there are, with what a gateway may and has; a price that moved fails the job',
    {
      timeout: 60_000,
    },
    async () => {
      const job = resource('CronJob').spec
      const spec = job?.jobTemplate.spec?.template.spec
      const [container] = spec?.containers ?? []
      const gateway = pod()
      expect(job).toMatchObject({ schedule: expect.stringMatching(/^\d+ \d+ \* \* \*$/), concurrencyPolicy: 'Forbid' })
      expect([job?.jobTemplate.spec?.backoffLimit, spec?.restartPolicy]).toEqual([0, 'Never'])
      // No request of the service comes to it.
      expect(job?.jobTemplate.spec?.template.metadata?.labels).not.toMatchObject(gateway.labels)
      const { fsGroup: _ofItsFolder, ...user } = gateway.spec.securityContext ?? {}
      expect(spec?.securityContext).toEqual(user)
      expect([container?.securityContext, container?.envFrom, container?.image]).toEqual([
        gateway.container.securityContext,
        gateway.container.envFrom,
        gateway.container.image,
      ])
      const [program, ...args] = container?.command ?? []
      expect(program).toBe(/^CMD \["([^"]+)"/m.exec(readText('Dockerfile'))?.[1])

      const emulator = await (await loadEmulator('openrouter'))({ typicalMs: 10 })
      const folder = mkdtempSync(join(tmpdir(), 'imagegate-kubernetes-'))
      onTestFinished(async () => {
        await emulator.close()
        rmSync(folder, { recursive: true, force: true })
      })
      const vendor = await changedVendor(emulator.url)
      let isDearer = false
      vendor.change = ({ path, body }) => {
        // It has a price where we have none, which is worth a word each day.
        if (path.includes('gpt-image-2')) return { status: 503, body: {} }
        if (isDearer && path.includes('flux.2-pro')) writeAt(body, '/endpoints/0/pricing/0/cost_usd', 0.031)
        return undefined
      }
      const providers = `providers: { bfl: { enabled: false }, openrouter: { api_key: ${SANDBOX_KEY}, base_url: "${vendor.url}" } }`
      writeFileSync(join(folder, 'imagegate.yaml'), `${readText(`${FOLDER}/imagegate.yaml`)}\n${providers}\n`)
      const given = Object.fromEntries((container?.env ?? []).map(({ name, value }) => [name, value ?? '']))
      const own = { IMAGEGATE_CONFIG: join(folder, 'imagegate.yaml'), IMAGEGATE_DATA: join(folder, 'data') }
      const run = (): Promise<readonly [unknown, string]> =>
        new Promise((resolve) =>
          execFile(process.execPath, args, { cwd: ROOT, env: { ...BARE_ENVIRONMENT, ...given, ...SECRETS, ...own } }, (error, out, err) =>
            resolve([error?.code ?? 0, out + err]),
          ),
        )
      expect(await run()).toEqual([0, expect.stringMatching(/agrees\s+flux-2-pro\s+openrouter/)])
      isDearer = true
      expect(await run()).toEqual([1, expect.stringMatching(/drift\s+flux-2-pro\s+openrouter/)])
    },
  )

  test.skipIf(spawnSync('kubectl', ['version', '--client']).error !== undefined)('is put together by kubectl', () => {
    const { status, stdout, stderr } = spawnSync('kubectl', ['kustomize', FOLDER], { cwd: ROOT, encoding: 'utf8' })
    expect([status, stderr]).toEqual([0, ''])
    const [{ newName, newTag } = { newName: '', newTag: '' }] = kustomization.images
    expect(stdout).toContain(`image: ${newName}:${newTag}`)
    expect(newTag).toBe((JSON.parse(readText('package.json')) as { readonly version: string }).version)
  })
})
