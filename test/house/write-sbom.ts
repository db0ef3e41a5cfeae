import { randomUUID } from 'node:crypto'
import { readText } from '../support/source-tree.ts'

/** `npm run sbom`: every package that a running gateway can contain, as CycloneDX 1.5. `npm sbom` leaves out what development needs as well. */
interface Locked {
  readonly name?: string
  readonly version: string
  readonly license?: string
  readonly integrity?: string
  readonly dev?: boolean
  readonly optional?: boolean
}
const lock = JSON.parse(readText('package-lock.json')) as {
  readonly name: string
  readonly version: string
  readonly packages: Readonly<Record<string, Locked>>
}

const purlOf = (name: string, version: string): string => `pkg:npm/${name.replace('@', '%40')}@${version}`

const components = Object.entries(lock.packages).flatMap(([path, { name: alias, version, license, integrity, dev, optional }]) => {
  if (path === '' || dev === true) return []
  const name = alias ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
  const [algorithm = '', digest = ''] = integrity?.split('-', 2) ?? []
  const hashes = digest === '' ? [] : [{ alg: algorithm.replace('sha', 'SHA-'), content: Buffer.from(digest, 'base64').toString('hex') }]
  return [
    {
      type: 'library',
      'bom-ref': `${path}@${version}`,
      name,
      version,
      scope: optional === true ? 'optional' : 'required',
      purl: purlOf(name, version),
      ...(license === undefined ? {} : { licenses: [{ expression: license }] }),
      ...(hashes.length === 0 ? {} : { hashes }),
    },
  ]
})

console.log(
  JSON.stringify(
    {
      $schema: 'http://cyclonedx.org/schema/bom-1.5.schema.json',
      bomFormat: 'CycloneDX',
      specVersion: '1.5',
      serialNumber: `urn:uuid:${randomUUID()}`,
      version: 1,
      metadata: {
        timestamp: new Date().toISOString(),
        component: { type: 'application', name: lock.name, version: lock.version, purl: purlOf(lock.name, lock.version) },
      },
      components,
    },
    null,
    2,
  ),
)
