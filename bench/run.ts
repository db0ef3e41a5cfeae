import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { beside } from './beside.ts'
import { boughtTwice } from './bought-twice.ts'
import { durability } from './durability.ts'
import { eventStreams } from './event-streams.ts'
import { history } from './history.ts'
import { hostile } from './hostile.ts'
import { inFlight } from './in-flight.ts'
import { inline } from './inline.ts'
import { kept } from './kept.ts'
import { overhead } from './overhead.ts'
import { nodes } from './nodes.ts'
import { polling } from './polling.ts'
import { quiet } from './quiet.ts'
import { start } from './start.ts'
import { wholeImages } from './whole-images.ts'

const BENCHMARKS: Readonly<Record<string, () => Promise<void>>> = {
  overhead,
  quiet,
  kept,
  durability,
  'in-flight': inFlight,
  'event-streams': eventStreams,
  inline,
  polling,
  'whole-images': wholeImages,
  history,
  hostile,
  start,
  nodes,
  'bought-twice': boughtTwice,
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    beside: { type: 'string' },
    images: { type: 'string' },
    only: { type: 'string' },
    write: { type: 'boolean' },
    history: { type: 'boolean' },
  },
})
if (values.beside === undefined) {
  const asked = [...positionals, ...(values.history === true ? ['history'] : [])]
  for (const name of asked.length > 0 ? asked : Object.keys(BENCHMARKS)) {
    const benchmark = BENCHMARKS[name]
    if (!benchmark) throw new Error(`no benchmark ${name}; there are ${Object.keys(BENCHMARKS).join(', ')}`)
    console.log(`\n== ${name}`)
    await benchmark()
  }
} else {
  await beside(resolve(values.beside))
}
