import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freshDatabase, POSTGRES_PROGRAMS } from './postgres.ts'
import { startS3 } from './s3.ts'

/** Where a gateway keeps what it knows, for tests whose promise holds wherever that is. */
export interface Storage {
  readonly name: StorageName
  /** Lines of the configuration. They name `store`, and `assets` on one line that is closed with `more`. */
  readonly configuration: (moreOfAssets?: string) => string
  readonly environment: Readonly<Record<string, string>>
  /** The database's address; null where it is a file in the data folder. */
  readonly database: string | null
  /** Where the bucket's server keeps its objects and what is said of them; null where images are files in the data folder. */
  readonly bucket: string | null
  close(): void
}

const NAMES = ['SQLite and files', 'PostgreSQL and a bucket'] as const
export type StorageName = (typeof NAMES)[number]

/** Those there are on this machine, each as a row of `describe.each`. */
export const STORAGES: readonly (readonly [StorageName])[] = NAMES.slice(0, POSTGRES_PROGRAMS === null ? 1 : 2).map((name) => [name])

/** A storage with nothing in it. */
export async function openStorage(name: StorageName): Promise<Storage> {
  if (name === 'SQLite and files') {
    const configuration = (more = ''): string => (more === '' ? '' : `assets: { ${more} }\n`)
    return { name, configuration, environment: {}, database: null, bucket: null, close: () => {} }
  }
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-storage-'))
  const [database, bucket] = await Promise.all([freshDatabase(), startS3(folder, ['images'])])
  const images = `s3://images?endpoint=${encodeURIComponent(bucket.endpoint)}&path_style=true`
  return {
    name,
    configuration: (more = '') => `store: { url: "${database}" }\nassets: { url: "${images}"${more === '' ? '' : `, ${more}`} }\n`,
    environment: { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' },
    database,
    bucket: join(folder, 's3'),
    close() {
      bucket.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
