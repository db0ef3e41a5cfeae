import { writeFile } from 'node:fs/promises'
import { Command } from 'commander'
import { parse } from 'yaml'
import { hasCredentials, isObject } from '#contract'
import type { JsonObject } from '#contract'
import { draftOf, NothingLearned, type Draft } from '../catalogue/learn/draft.ts'
import { shownAddress } from '../client/shown-address.ts'
import { readNamedText } from '../config/named-file.ts'
import type { Verb } from './verb.ts'
import { reasonInWords } from './folder.ts'
import { printable, table } from './table.ts'
import { textWithin } from './text-within.ts'
import { VerbFailed, type Terminal } from './terminal.ts'

interface LearnFlags {
  readonly id?: string
  readonly out?: string
  readonly json?: boolean
}

/** The largest OpenAPI documents of vendors have 3 MB. */
const MOST_MEGABYTES = 20
const TIMEOUT_MS = 30_000

export const learnVerb: Verb = (terminal, finish) =>
  new Command('learn')
    .description('draft a provider’s manifest from its OpenAPI document; what that does not say is null, and listed')
    .argument('<document>', 'the address or the file of an OpenAPI document, JSON or YAML')
    .option('--id <id>', 'our id of the provider (default: from its host)')
    .option('--out <file>', 'write the manifest to a new file instead of printing it')
    .option('--json', 'print JSON: the manifest, what is missing, and where each fact stands')
    .action((document: string, flags: LearnFlags) => finish(learn(document, flags, terminal)))

async function learn(source: string, { id, out, json }: LearnFlags, terminal: Terminal): Promise<number> {
  const draft = drafted(await read(source), source, id ?? null)
  const manifest = JSON.stringify(draft.manifest, null, 2)
  if (out !== undefined) await write(out, manifest)
  if (json) terminal.out(JSON.stringify(draft, null, 2))
  else {
    if (out === undefined) terminal.out(manifest)
    describe(draft, terminal)
  }
  return 0
}

function describe({ missing, others }: Draft, terminal: Terminal): void {
  terminal.err('')
  terminal.err(
    `The document does not say these ${missing.length}; each is null in the draft. Read them on the provider’s pages, never guess:`,
  )
  terminal.err(
    table(
      ['where', 'what'],
      missing.map(({ path, why }) => [path, why]),
    ),
  )
  terminal.err('Ours, and to be checked: `timeouts`, `polling`, `auth.env`, and the names of the models.')
  if (others.length > 0) terminal.err(`Left out, since they are in another shape: ${printable(others.join(', '))}.`)
  terminal.err('Next: providers/README.md.')
}

function drafted(document: JsonObject, source: string, id: string | null): Draft {
  try {
    return draftOf(document, id)
  } catch (error) {
    if (error instanceof NothingLearned) throw new VerbFailed(`${shownAddress(source)}: ${error.message}`)
    throw error
  }
}

async function read(source: string): Promise<JsonObject> {
  const text = /^https?:\/\//i.test(source) ? await fetched(source) : readFile(source)
  const value: unknown = parsed(text, source)
  if (isObject(value)) return value
  throw new VerbFailed(`${shownAddress(source)} is no OpenAPI document: it is no object of JSON or YAML`)
}

function readFile(file: string): string {
  try {
    return readNamedText(file, MOST_MEGABYTES)
  } catch (error) {
    throw new VerbFailed(`${shownAddress(file)} cannot be read: ${whyUnread(error)}`)
  }
}

function parsed(text: string, source: string): unknown {
  try {
    return /^\s*\{/.test(text) ? JSON.parse(text) : parse(text)
  } catch (error) {
    throw new VerbFailed(`${shownAddress(source)} cannot be read as JSON or YAML: ${whyUnread(error)}`)
  }
}

/** In one line, without what the document says at the fault. */
function whyUnread(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error instanceof RangeError || /call stack/.test(error.message)) return 'it is nested too deeply'
  if ('code' in error && error.code === 'ENOENT') return 'there is no such file'
  if ('code' in error && error.code === 'EISDIR') return 'it is a folder'
  const reason = error.cause instanceof Error && error.cause.message !== '' ? error.cause.message : error.message
  return (reason.split('\n')[0] ?? '').replace(/:$/, '')
}

/** The operator gave the address, so it may be on this machine; what it answers is bounded all the same. */
async function fetched(url: string): Promise<string> {
  const shown = shownAddress(url)
  const address = URL.parse(url)
  if (address !== null && hasCredentials(address))
    throw new VerbFailed(`${shown} cannot be read: leave the user name and the password out, or give a file`)
  const reply = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) }).catch((error: unknown) => {
    throw new VerbFailed(`${shown} cannot be read: ${whyUnread(error)}`)
  })
  if (!reply.ok || reply.body === null) throw new VerbFailed(`${shown} answered ${reply.status}; give the address of the document itself`)
  const text = await textWithin(reply.body, MOST_MEGABYTES)
  if (text === null) throw new VerbFailed(`${shown} is larger than ${MOST_MEGABYTES} MB: no OpenAPI document of a vendor is`)
  return text
}

async function write(file: string, manifest: string): Promise<void> {
  await writeFile(file, `${manifest}\n`, { flag: 'wx' }).catch((error: unknown) => {
    throw new VerbFailed(`${file} cannot be written: ${reasonInWords(error)}`)
  })
}
