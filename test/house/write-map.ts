import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../support/source-tree.ts'
import { wantedErrors } from './error-tables.ts'
import { wantedMap } from './import-map.ts'

writeFileSync(join(ROOT, 'src/README.md'), wantedMap())
writeFileSync(join(ROOT, 'docs/errors.md'), wantedErrors())
