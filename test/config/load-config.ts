import { join } from 'node:path'
import { loadCatalogue, type Catalogue } from '../../src/catalogue/catalogue.ts'
import type { Config } from '../../src/config/config.ts'
import { loadConfig } from '../../src/config/load.ts'
import { formatProblem } from '../../src/config/problem.ts'
import { fakeProviders, temporaryFolder, writeFiles } from '../catalogue/fake-providers.ts'

export type Env = Readonly<Record<string, string | undefined>>

/** Loads a YAML text with two fake providers; problems and warnings as lines without the folder. */
export async function load(
  yaml: string,
  env: Env = {},
): Promise<{ config: Config | null; lines: readonly string[]; catalogue: Catalogue }> {
  const folder = await temporaryFolder()
  await writeFiles(folder, { 'imagegate.yaml': yaml })
  const path = join(folder, 'imagegate.yaml')
  const catalogue = await loadCatalogue(await fakeProviders())
  const result = await loadConfig({ env, path, catalogue })
  const problems = result.kind === 'config' ? result.warnings : result.problems
  const lines = problems.map((problem) => formatProblem(problem).replaceAll(`${folder}/`, ''))
  return { config: result.kind === 'config' ? result.config : null, lines, catalogue }
}

/** The same, for a text that must be accepted. */
export async function accepted(yaml: string, env: Env = {}): Promise<{ config: Config; lines: readonly string[]; catalogue: Catalogue }> {
  const { config, lines, catalogue } = await load(yaml, env)
  if (config === null) throw new Error(`refused:\n${lines.join('\n')}`)
  return { config, lines, catalogue }
}
