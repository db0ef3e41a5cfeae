import { Usd } from '#contract'
import type { Verb } from './verb.ts'
import { environmentOf, type ConnectOptions } from './connect.ts'
import { Command, InvalidArgumentError } from 'commander'
import { each } from './options.ts'
import { verifyProvider } from './start-gateway.ts'
import { table } from './table.ts'
import type { Terminal } from './terminal.ts'

interface VerifyFlags extends Pick<ConnectOptions, 'config'> {
  readonly maxUsd: string
  readonly record?: string
  readonly model?: readonly string[]
  readonly json?: boolean
}

function amount(text: string): string {
  if (!Usd.safeParse(text).success || text.startsWith('-')) throw new InvalidArgumentError('expected US dollars, for example 0.10.')
  return text
}

export const verifyVerb: Verb = (terminal, finish) =>
  new Command('verify')
    .description('check what we expect of a vendor against the real thing, for a few cents')
    .argument('<provider>', 'its id; its key must be configured')
    .option('--max-usd <amount>', 'spend no more than this', amount, '0.10')
    .option('--record <folder>', 'write what was said, without secrets, as <folder>/<provider>/cases/<story>.json')
    .option('--model <model>', 'only this model; several times', each)
    .option('--config <file>', 'configuration file (default: IMAGEGATE_CONFIG, then ./imagegate.yaml)')
    .option('--json', 'print JSON')
    .action((provider: string, flags: VerifyFlags) => finish(verify(provider, flags, terminal)))

async function verify(provider: string, flags: VerifyFlags, terminal: Terminal): Promise<number> {
  const { maxUsd, record = null, model: models = [] } = flags
  const verified = await verifyProvider({ env: environmentOf(flags, terminal) }, { provider, maxUsd, record, models })
  const { findings, recorded, spent_usd: spent } = verified
  if (flags.json) terminal.out(JSON.stringify(verified, null, 2))
  else {
    terminal.out(
      table(
        ['', 'about', 'found'],
        findings.map(({ verdict, about, detail }) => [verdict, about, detail]),
      ),
    )
    terminal.out(`Spent at most ${spent} of ${maxUsd} US dollars.`)
    for (const file of recorded) terminal.err(`written: ${file}`)
  }
  const isVerified = findings.some(({ verdict }) => verdict === 'agrees')
  return isVerified && findings.every(({ verdict }) => verdict === 'agrees' || verdict === 'skipped') ? 0 : 1
}
