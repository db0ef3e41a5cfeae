import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildProgram } from '../../build/program.ts'
import { buildOf } from '../../bin/program.mjs'
import { ROOT } from './source-tree.ts'

/** The last step of the schema, as it stands in a built program. */
const END_OF_STEPS = /`\n\];\n(?=(?:\/\/.*\n)*var plain = )/

/** A folder with the program of the next version: this one, installed as a package is, whose database has one step more. */
export async function newerVersion(step: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-newer-'))
  const dist = join(folder, 'dist')
  mkdirSync(dist)
  const built = buildOf(ROOT)
  if (built?.change === null) cpSync(built.folder, dist, { recursive: true, filter: (path) => !path.includes('.compiled') })
  else await buildProgram(dist)
  for (const path of ['bin', 'package.json', 'dist/web']) cpSync(join(ROOT, path), join(folder, path), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  const parts = join(dist, 'src/parts')
  const holding = readdirSync(parts).filter((name) => END_OF_STEPS.test(readFileSync(join(parts, name), 'utf8')))
  if (holding.length !== 1) throw new Error(`the steps of the schema stand in ${holding.length} parts of the build`)
  const path = join(parts, String(holding[0]))
  writeFileSync(
    path,
    readFileSync(path, 'utf8').replace(END_OF_STEPS, () => `\`, ${JSON.stringify(step)}];\n`),
  )
  return folder
}
