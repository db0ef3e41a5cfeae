import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { SANDBOX_KEY } from '#sandbox'

/** `npm run test:trace`: every gateway of the suite logs at `trace`, canaries are planted in it, and what it leaves behind is searched for them. */
export const isTraced = process.env['TRACE_SUITE'] !== undefined

/** In the environment of every gateway. */
const IN_ENVIRONMENT = {
  AWS_SECRET_ACCESS_KEY: 'canary-of-aws-51c0',
  DATABASE_URL: 'postgres://gate:canary-of-database-77f1@db.example/x',
  NPM_TOKEN: 'canary-of-npm-93ab',
  GITHUB_TOKEN: 'canary-of-github-0d3e',
  SESSION_SECRET: 'canary-of-session-6b2f',
} as const
const PROXY = { user: 'canaryproxyuser41', password: 'canary-of-proxy-8d8d' } as const
/** In every request that a test sends to a gateway. */
const IN_HEADERS = {
  cookie: 'session=canary-of-cookie-3f10',
  'proxy-authorization': 'Basic canary-of-basic-7a21',
  'x-api-key': 'canary-of-api-key-19bd',
  'x-amz-security-token': 'canary-of-amz-4c55',
  'x-goog-api-key': 'canary-of-goog-e0a7',
} as const

/** What must be in no log, metric, answer, webhook or file, by what it is. */
const canaries = new Map<string, string>(isTraced ? [['the sandbox’s key', SANDBOX_KEY], ...planted()] : [])
/** What a gateway keeps in its store, and says nowhere else. */
const ownSecrets = new Map<string, string>()
const origins = new Set<string>()
const found = new Set<string>()
const reading: Promise<void>[] = []
const wrapped = new WeakSet<typeof fetch>()

function planted(): readonly (readonly [string, string])[] {
  const values = [...Object.values(IN_ENVIRONMENT), ...Object.values(IN_HEADERS), PROXY.user, PROXY.password]
  return values.map((value) => /canary[\w-]*/.exec(value)?.[0] ?? value).map((value) => [value, value] as const)
}

/** An environment with canaries in it, and the log at `trace`. */
export function tracedEnvironment(environment: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  if (!isTraced) return environment
  for (const [name, value] of Object.entries(environment)) if (/(_KEY|_TOKEN)$/.test(name) && value.length >= 8) canaries.set(name, value)
  const isProxied = Object.keys(environment).some((name) => /proxy/i.test(name))
  const proxy = isProxied ? {} : { HTTPS_PROXY: `http://${PROXY.user}:${PROXY.password}@127.0.0.1:9`, NO_PROXY: '127.0.0.1,localhost,::1' }
  return { ...IN_ENVIRONMENT, ...proxy, ...environment, LOG_LEVEL: 'trace' }
}

export const traceGateway = (url: string): void => void origins.add(new URL(url).origin)

function note(where: string, text: string, secrets: Iterable<readonly [string, string]>): void {
  for (const hit of hitsIn(where, text, secrets)) found.add(hit)
}

/** Which secrets a text holds: as they are, as in a URL, or in base64, however they lie in longer data. */
export const hitsIn = (where: string, text: string, secrets: Iterable<readonly [string, string]>): readonly string[] =>
  [...secrets].flatMap(([name, secret]) =>
    [secret, encodeURIComponent(secret), ...base64Of(secret)]
      .filter((form) => text.includes(form))
      .map((form) => `${name} is in ${where}: …${around(text, form)}…`),
  )

const base64Of = (secret: string): readonly string[] =>
  [0, 1, 2].map((before) =>
    Buffer.concat([Buffer.alloc(before), Buffer.from(secret)])
      .toString('base64')
      .slice(before === 0 ? 0 : before + 1, -4),
  )

const around = (text: string, form: string): string =>
  text.slice(Math.max(0, text.indexOf(form) - 120), text.indexOf(form) + form.length + 60).replaceAll(/\s+/g, ' ')

/** Searches what a gateway said and its data folder, once it has ended. */
export function searchRemains(log: string, dataDirectory: string | undefined): void {
  if (!isTraced) return
  const files = dataDirectory === undefined ? [] : filesOf(dataDirectory)
  for (const file of files.filter((name) => name.endsWith('imagegate.db'))) readOwnSecrets(file)
  note('the log', log, [...canaries, ...ownSecrets])
  for (const file of files) note(file.replace(/^.*\/(?=[^/]*\/[^/]*$)/, ''), readFileSync(file).toString('latin1'), canaries)
}

/** What a test heard from a gateway in another way: a webhook. */
export function searchHeard(where: string, text: string): void {
  if (isTraced) note(where, text, [...canaries, ...ownSecrets])
}

function filesOf(path: string): readonly string[] {
  try {
    return statSync(path).isDirectory() ? readdirSync(path).flatMap((name) => filesOf(join(path, name))) : [path]
  } catch {
    return []
  }
}

function readOwnSecrets(file: string): void {
  try {
    using database = new DatabaseSync(file, { readOnly: true })
    for (const { name, value } of database.prepare('SELECT name, value FROM secrets').all() as { name: string; value: string }[])
      if (value.length >= 16) ownSecrets.set(`the gateway’s own ${name}`, value)
  } catch {
    // Damaged on purpose, or of a version without them.
  }
}

/** Every request to a gateway carries canaries, and every answer that is text is searched. */
export function traceRequests(): void {
  const plain = globalThis.fetch
  if (wrapped.has(plain)) return
  const traced: typeof fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input)
    if (!origins.has(url.origin)) return plain(input, init)
    const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined))
    for (const name of ['authorization', 'x-key']) {
      const secret = /\S+$/.exec(headers.get(name) ?? '')?.[0] ?? ''
      if (secret.length >= 12) canaries.set('a gateway key', secret)
    }
    for (const [name, value] of Object.entries(IN_HEADERS)) if (!headers.has(name)) headers.set(name, value)
    const reply = await plain(input, { ...init, headers })
    if (/json|csv|html|markdown|plain/.test(reply.headers.get('content-type') ?? ''))
      reading.push(
        reply
          .clone()
          .text()
          .then((text) => note(`an answer of ${url.pathname}`, text, [...canaries, ...ownSecrets]))
          .catch(() => {}),
      )
    return reply
  }
  wrapped.add(traced)
  globalThis.fetch = traced
}

/** What was found where it must not be since it was asked last; empty where nothing leaked. */
export async function leaks(): Promise<readonly string[]> {
  await Promise.race([Promise.all(reading), new Promise((resolve) => setTimeout(resolve, 2_000))])
  reading.length = 0
  const leaked = [...found]
  found.clear()
  return leaked
}
