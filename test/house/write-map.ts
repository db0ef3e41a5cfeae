import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../support/source-tree.ts'
import { wantedMap } from './import-map.ts'

writeFileSync(join(ROOT, 'src/README.md'), wantedMap())
