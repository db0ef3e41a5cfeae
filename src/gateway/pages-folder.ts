import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** Where the built pages are: beside this code in the package, below dist/ in a checkout, and there above its built program. */
const CANDIDATES = ['../../web', '../../dist/web', '../../../../web'].map((path) => resolve(import.meta.dirname, path))

/** The folder of the built pages; null where they are not built. */
export const pagesFolder = (): string | null => CANDIDATES.find((folder) => existsSync(join(folder, 'index.html'))) ?? null
