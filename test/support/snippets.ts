import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { readText, ROOT } from './source-tree.ts'

const run = promisify(execFile)

/** Fenced blocks of a document that carry an id: `<!-- snippet: id -->` on the line before the fence. */
export function snippetsOf(document: string): ReadonlyMap<string, { readonly language: string; readonly code: string }> {
  const blocks = readText(document).matchAll(/^<!-- snippet: ([a-z0-9-]+) -->\n```([a-z]+)\n([\s\S]*?)^```$/gm)
  return new Map([...blocks].map(([, id = '', language = '', code = '']) => [id, { language, code }]))
}

/** A folder where code finds the packages of this checkout, as a user's project would. */
export function projectFolder(files: Readonly<Record<string, string | Buffer>>) {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-snippet-'))
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

/** Runs a module in a process of its own, in that folder, with nothing of our environment; rejects where it exits with an error. */
export const runModule = (folder: string, file: string): Promise<{ readonly stdout: string; readonly stderr: string }> =>
  run(process.execPath, [file], { cwd: folder, env: {}, timeout: 30_000 })
