import { hasCredentials, withoutTrailing } from '#contract'

/** `s3://<bucket>/<folder>?endpoint=…&public_endpoint=…&region=…&path_style=true`, read. */
export interface BucketAddress {
  readonly bucket: string
  /** Empty, or ends in `/`. */
  readonly prefix: string
  /** Null: Amazon’s own. */
  readonly endpoint: string | null
  /** Where callers reach the bucket, for links to it; null: where this process does. */
  readonly publicEndpoint: string | null
  /** Null: as the AWS SDK finds it (`AWS_REGION`). */
  readonly region: string | null
  /** The bucket stands in the path and not in the host name. */
  readonly pathStyle: boolean
}

const KNOWN = ['endpoint', 'public_endpoint', 'region', 'path_style']
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/

/**
 * Reads `assets.url`. With an endpoint the bucket stands in the path, unless `path_style=false`, and the region is `us-east-1` unless it is named.
 * @throws Error with the remedy
 */
export function bucketAddress(text: string): BucketAddress {
  const url = URL.parse(text)
  if (url === null || url.protocol !== 's3:') throw refusal('it is no s3:// address')
  if (hasCredentials(url))
    throw refusal('credentials are taken from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; remove them from the address')
  const unknown = [...url.searchParams.keys()].find((name) => !KNOWN.includes(name))
  if (unknown !== undefined) throw refusal(`it knows ${KNOWN.join(', ')}, not ${JSON.stringify(unknown)}`)
  if (!BUCKET.test(url.hostname))
    throw refusal(`a bucket has 3 to 63 lower-case letters, digits, dots and hyphens, not ${JSON.stringify(url.hostname)}`)
  const endpoint = url.searchParams.get('endpoint')
  const origin = endpoint === null ? null : originOf(endpoint)
  const publicEndpoint = url.searchParams.get('public_endpoint')
  const style = url.searchParams.get('path_style')
  if (style !== null && style !== 'true' && style !== 'false') throw refusal('path_style is true or false')
  const folder = withoutTrailing(url.pathname.replace(/^\/+/, ''), '/')
  return {
    bucket: url.hostname,
    prefix: folder === '' ? '' : `${decodeURIComponent(folder)}/`,
    endpoint: origin,
    publicEndpoint: publicEndpoint === null ? null : originOf(publicEndpoint, 'public_endpoint'),
    region: url.searchParams.get('region') ?? (origin === null ? null : 'us-east-1'),
    pathStyle: style === null ? origin !== null : style === 'true',
  }
}

function originOf(text: string, name = 'endpoint'): string {
  const url = URL.parse(text)
  const isOrigin = url !== null && /^https?:$/.test(url.protocol) && !hasCredentials(url) && url.search + url.hash === ''
  if (!isOrigin) throw refusal(`${name} is an http or https address, such as https://s3.example.com`)
  return url.href.replace(/\/$/, '')
}

const refusal = (why: string): Error => new Error(`assets.url: ${why}; write s3://bucket/folder?endpoint=https://…&region=…`)
