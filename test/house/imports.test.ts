import { describe, expect, test } from 'vitest'
import { COMPUTED, filesBelow, importsOf, isSource, isTypeScript, readText, type Import } from '../support/source-tree.ts'

/** What a room may import beyond its own folder. Node's modules are listed where a room may use any of them. */
interface Room {
  readonly packages: readonly string[]
  readonly rooms: readonly string[]
  /** Rooms of which only types may come. */
  readonly typesOf?: readonly string[]
  readonly node: 'none' | 'any' | readonly string[]
  /** Imports files it finds at run time: the one way from src/ to a provider. */
  readonly finds?: boolean
}

const ROOMS: Readonly<Record<string, Room>> = {
  contract: { packages: ['zod'], rooms: [], node: 'none' },
  sandbox: { packages: ['sharp'], rooms: ['contract'], node: 'any' },

  catalogue: {
    packages: [],
    rooms: ['contract'],
    typesOf: ['sandbox'],
    finds: true,
    node: ['node:fs', 'node:fs/promises', 'node:path', 'node:url'],
  },
  core: { packages: ['cockatiel'], rooms: ['contract'], node: ['node:crypto', 'node:stream'] },
  transport: { packages: ['undici', 'ipaddr.js'], rooms: ['contract'], typesOf: ['core'], node: 'any' },
  store: { packages: ['sharp'], rooms: ['contract', 'core'], node: 'any' },
  http: {
    packages: ['fastify', '@fastify/*', '@scalar/*', '@modelcontextprotocol/*', 'fastify-type-provider-zod', 'zod', 'prom-client', 'pino'],
    rooms: ['contract', 'core'],
    node: 'any',
  },
  config: { packages: ['yaml', 'zod'], rooms: ['contract', 'transport/secret.ts'], typesOf: ['catalogue'], node: 'any' },
  monitoring: { packages: ['prom-client'], rooms: ['contract'], typesOf: ['core'], node: 'none' },
  client: { packages: [], rooms: ['contract'], typesOf: ['http'], node: 'any' },
}

/** A package that only one room may import, wherever else it might be allowed. */
const ONLY_IMPORTER: Readonly<Record<string, string>> = { undici: 'transport', 'node:sqlite': 'store' }

/** Where the house is put together: these may import everything, and nobody imports them but each other. */
const ROOTS = ['src/main.ts', 'src/cli/', 'src/gateway/']
const isRoot = (path: string) => ROOTS.some((root) => path.startsWith(root))

const sources = filesBelow(['src'], isTypeScript)
const providerSources = filesBelow(['providers'], isSource)
const importsIn = (files: readonly string[]): readonly Import[] => files.flatMap((file) => importsOf(file))

const roomOf = (path: string) => path.split('/')[1] ?? ''
const matches = (pattern: string, name: string) =>
  pattern.endsWith('/*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern || name.startsWith(`${pattern}/`)
const allowsNode = (room: Room, specifier: string) => room.node === 'any' || (room.node !== 'none' && room.node.includes(specifier))

/** The room inside src/ an import leads to, as written in the table, or null for a package. */
function destination({ specifier, target }: Import): string | null {
  if (specifier === '#contract') return 'contract'
  if (specifier === '#sandbox') return 'sandbox'
  return target?.startsWith('src/') ? target.slice('src/'.length) : null
}

function objection(from: string, room: Room, found: Import): string | null {
  const { specifier, typeOnly, target } = found
  if (specifier === COMPUTED) return room.finds === true ? null : `${from}/ may not import what only run time knows`
  const led = destination(found)
  if (led !== null) {
    const allowed = [from, ...room.rooms, ...(typeOnly ? (room.typesOf ?? []) : [])]
    return allowed.some((name) => led === name || led.startsWith(`${name}/`)) ? null : `${from}/ may not import ${specifier}`
  }
  if (target === 'package.json') return null
  if (target !== null) return `${from}/ may not leave src/ (${specifier})`
  if (specifier.startsWith('node:')) {
    return typeOnly || allowsNode(room, specifier) ? null : `${from}/ may not import ${specifier}`
  }
  return room.packages.some((name) => matches(name, specifier)) ? null : `${from}/ may not import the package ${specifier}`
}

describe('who may import whom', () => {
  test('each room of src/ imports only what its row of the table allows', () => {
    const wrong = importsIn(sources.filter((path) => !isRoot(path))).flatMap((found) => {
      const from = roomOf(found.path)
      const room = ROOMS[from]
      const why = room ? objection(from, room, found) : `src/${from} is not a room of the house`
      return why === null ? [] : [`${found.line}: ${why}`]
    })
    expect(wrong).toEqual([])
  })

  test('a provider imports the contract, zod and its own files; only its sandbox may do more', () => {
    const wrong = importsIn(providerSources).flatMap((found) => {
      const { specifier, target, path, line } = found
      const folder = path.slice(0, path.lastIndexOf('/') + 1)
      const own = target !== null && target.startsWith(folder)
      const inSandbox = /\/emulator[^/]*\.ts$/.test(path)
      const sandboxMay = inSandbox && (specifier === 'fastify' || specifier === '#sandbox' || specifier.startsWith('node:'))
      return own || specifier === '#contract' || specifier === 'zod' || sandboxMay ? [] : [`${line}: ${specifier}`]
    })
    expect(wrong).toEqual([])
  })

  test('an adapter never reaches its emulator', () => {
    const wrong = importsIn(providerSources).filter(({ path, target }) => !path.includes('/emulator') && target?.includes('/emulator'))
    expect(wrong.map(({ line }) => line)).toEqual([])
  })

  test.each(Object.entries(ONLY_IMPORTER))('%s is imported by src/%s and nowhere else', (name, only) => {
    const elsewhere = importsIn([...sources, ...providerSources]).filter(
      ({ specifier, path }) => matches(name, specifier) && !path.startsWith(`src/${only}/`),
    )
    expect(elsewhere.map(({ line }) => line)).toEqual([])
  })

  test('what puts the house together is imported by nothing else, and nothing in src/ names a provider’s file', () => {
    const wrong = importsIn(sources).filter(({ target, path }) => {
      if (target === null) return false
      return target.startsWith('providers/') || (isRoot(target) && !isRoot(path))
    })
    expect(wrong.map(({ line, specifier }) => `${line}: ${specifier}`)).toEqual([])
  })

  test('src/README.md has a row for every room, and no room that is not there', () => {
    const told = [...readText('src/README.md').matchAll(/^\| `([a-z]+)\/` \|/gm)].map(([, room]) => room)
    const there = new Set(sources.filter((path) => path.split('/').length > 2).map((path) => roomOf(path)))
    expect([...there].filter((room) => !told.includes(room))).toEqual([])
    expect(told.filter((room = '') => !(room in ROOMS) && !isRoot(`src/${room}/`))).toEqual([])
  })

  test('relative imports end in .ts or .json and never climb into a package’s inside', () => {
    const wrong = importsIn([...sources, ...providerSources]).filter(
      ({ specifier }) => (specifier.startsWith('.') && !/\.(ts|tsx|json)$/.test(specifier)) || specifier.includes('node_modules'),
    )
    expect(wrong.map(({ line, specifier }) => `${line}: ${specifier}`)).toEqual([])
  })
})
