import { durability } from './durability.ts'
import { inFlight } from './in-flight.ts'
import { overhead } from './overhead.ts'
import { polling } from './polling.ts'

const BENCHMARKS: Readonly<Record<string, () => Promise<void>>> = { overhead, durability, 'in-flight': inFlight, polling }

const wanted = process.argv.slice(2)
for (const name of wanted.length > 0 ? wanted : Object.keys(BENCHMARKS)) {
  const benchmark = BENCHMARKS[name]
  if (!benchmark) throw new Error(`no benchmark ${name}; there are ${Object.keys(BENCHMARKS).join(', ')}`)
  console.log(`\n== ${name}`)
  await benchmark()
}
