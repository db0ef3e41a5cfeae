import { buildPages } from './pages.ts'
import { buildForCheckout } from './program.ts'

/** What `npm ci` builds: the pages and the program. */
const outcomes = [await buildPages(), await buildForCheckout()]
if (outcomes.includes('left out'))
  process.stderr.write(
    'the pages and the program were not built: Vite is not installed here. `npm ci` (without --omit=dev) builds them, or `npm run build:checkout` afterwards\n',
  )
