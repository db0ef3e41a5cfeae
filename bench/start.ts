import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { buildOf } from '../bin/program.mjs'

const ROOT = join(import.meta.dirname, '..')
const ROUNDS = 7
const AIMS = { readyMs: 500, versionMs: 150 }

/** The first round is not counted: it reads files and fills the cache of compiled code. */
export async function start(): Promise<void> {
  if (buildOf(ROOT)?.change !== null) console.log('the program is not built of these sources: run `npm run build:program` first')
  const built: Started[] = []
  const sources: Started[] = []
  const versions: number[] = []
  for (let round = 0; round <= ROUNDS; round++) {
    const figures = [await started('bin/gateway.mjs'), await started('src/main.ts')] as const
    const asked = performance.now()
    execFileSync(process.execPath, ['bin/imagegate.mjs', '--version'], { cwd: ROOT })
    if (round === 0) continue
    built.push(figures[0])
    sources.push(figures[1])
    versions.push(performance.now() - asked)
  }
  const of = (runs: readonly Started[], what: keyof Started): number => median(runs.map((run) => run[what]))
  console.log(`first ready, \`npm start\`: ${of(built, 'readyMs')} ms (aim < ${AIMS.readyMs}), ${of(built, 'cpuMs')} ms of CPU`)
  console.log(`first ready, the sources: ${of(sources, 'readyMs')} ms, ${of(sources, 'cpuMs')} ms of CPU`)
  console.log(`CPU of a start, built / sources: ${(of(built, 'cpuMs') / of(sources, 'cpuMs')).toFixed(2)}`)
  console.log(`imagegate --version: ${median(versions)} ms (aim < ${AIMS.versionMs})`)
  console.log(`packages of production (\`npm ci --omit=dev\`): ${productionMegabytes()} MB`)
}

interface Started {
  readonly readyMs: number
  readonly cpuMs: number
}

/** From the spawn of an empty sandbox until `/readyz` says 200. */
async function started(program: string): Promise<Started> {
  const data = mkdtempSync(join(tmpdir(), 'imagegate-start-'))
  const begunAt = performance.now()
  const env = { PATH: process.env['PATH'] ?? '', PORT: '0', IMAGEGATE_CONFIG: '', IMAGEGATE_DATA: data }
  const child = spawn(process.execPath, [program], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const url = /listens on (http:\/\/[\d.:]+)/.exec(line)?.[1]
      if (url === undefined) continue
      const { ok } = await fetch(`${url}/readyz`)
      if (!ok) throw new Error('it listens and is not ready')
      return { readyMs: Math.round(performance.now() - begunAt), cpuMs: cpuMsOf(child.pid ?? 0) }
    }
    throw new Error(`${program} ended before it listened`)
  } finally {
    child.kill('SIGTERM')
    await ended
    rmSync(data, { recursive: true, force: true })
  }
}

const MS_A_TICK = 10
const cpuMsOf = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * MS_A_TICK
}

/** Of the packages that `npm ci --omit=dev` installs, as they lie in this checkout; Node itself is half of it. */
function productionMegabytes(): number {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, { readonly dev?: boolean; readonly devOptional?: boolean }>>
  }
  const needed = Object.entries(lock.packages).filter(([path, { dev, devOptional }]) => path !== '' && dev !== true && devOptional !== true)
  const there = needed.map(([path]) => path).filter((path) => existsSync(join(ROOT, path)))
  const total =
    execFileSync('du', ['-sckD', ...there], { cwd: ROOT, encoding: 'utf8' })
      .trim()
      .split('\n')
      .at(-1) ?? ''
  return Math.round(Number(total.split('\t')[0]) / 1024)
}

const median = (values: readonly number[]): number => Math.round(values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN)
