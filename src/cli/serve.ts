import { Command } from 'commander'
import { environmentOf } from './connect.ts'
import type { Verb } from './verb.ts'
import { wholeNumber } from './options.ts'
import { receiveReloadSignals } from '../gateway/signals.ts'
import { startGateway } from './start-gateway.ts'
import type { Terminal } from './terminal.ts'

interface ServeOptions {
  readonly port?: number
  readonly config?: string
  readonly json?: boolean
}

export const serveVerb: Verb = (terminal, finish) =>
  new Command('serve')
    .description('run the gateway until Ctrl-C or SIGTERM; the same as `npm start`')
    .option('--port <port>', 'wins over PORT and the configuration; 0 takes a free port', wholeNumber)
    .option('--config <file>', 'configuration file (default: IMAGEGATE_CONFIG, then ./imagegate.yaml)')
    .option('--json', 'print the address as JSON once it listens')
    .action((options: ServeOptions) => finish(serve(options, terminal)))

async function serve(options: ServeOptions, terminal: Terminal): Promise<number> {
  const signals = receiveReloadSignals()
  try {
    const overrides = options.port === undefined ? {} : { port: options.port }
    const server = await startGateway({ env: environmentOf(options, terminal), overrides })
    signals.onHangUp(() => server.reload())
    if (options.json) terminal.out(JSON.stringify({ url: server.url, sandbox: server.sandbox }))
    await terminal.stopped()
    await server.close('stopped from the terminal')
    return 0
  } finally {
    signals.stop()
  }
}
