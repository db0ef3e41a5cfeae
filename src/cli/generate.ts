import { randomUUID } from 'node:crypto'
import { isTerminal } from '#contract'
import type { Verb } from './verb.ts'
import { withGateway, type ConnectOptions } from './connect.ts'
import { fetchLater, stopIt, whereItGoesOn } from './fetch-later.ts'
import { checkFolder } from './folder.ts'
import { generationReport } from './generation-report.ts'
import { wholeNumber } from './options.ts'
import { showProgress } from './progress.ts'
import { requestCommand } from './request-command.ts'
import { requestFromOptions, type RequestOptions } from './request-from-options.ts'
import { saveImages } from './save-images.ts'
import type { Terminal } from './terminal.ts'

interface GenerateOptions extends ConnectOptions, RequestOptions {
  readonly out: string
  /** Seconds; absent waits to the end, false not at all. */
  readonly wait?: number | false
  readonly json?: boolean
}

export const generateVerb: Verb = (terminal, finish) =>
  requestCommand('generate', 'generate images and save them')
    .option('--out <folder>', 'where the images go', '.')
    .option('--wait <seconds>', 'stop waiting after this; it goes on without you (default: wait to the end)', wholeNumber)
    .option('--no-wait', 'print the id at once; `imagegate get <id> --wait --out <folder>` fetches the images later')
    .action((prompt: string, options: GenerateOptions) => finish(generate(prompt, options, terminal)))

async function generate(prompt: string, options: GenerateOptions, terminal: Terminal): Promise<number> {
  const request = await requestFromOptions(prompt, options, terminal)
  if (options.wait !== false) await checkFolder('--out', options.out)
  return withGateway(options, terminal, async ({ client, url, embedded, ifInterrupted }) => {
    const note = (text: string) => (options.json ? undefined : terminal.err(text))
    note(embedded ? 'No gateway runs here: one was started inside this command.' : `Talking to ${url}.`)
    const accepted = await client.create(request, { idempotencyKey: randomUUID() })
    note(`${accepted.id} accepted${accepted.sandbox ? ' (sandbox: emulated vendors, no money is spent)' : ''}`)
    if (accepted.cost.quoted === null) note('Its offer has no known price: what it costs is known only once it is billed.')
    const goesOn = () => note(`${accepted.id} goes on ${whereItGoesOn({ embedded, url })}. ${whatNext(accepted.id, options)}`)
    if (options.wait === false) {
      terminal.out(options.json ? JSON.stringify({ ...accepted, saved: [] }, null, 2) : accepted.id)
      goesOn()
      return 0
    }
    const progress = options.json ? null : showProgress(terminal, [accepted.model])
    ifInterrupted(() => {
      progress?.end()
      if (options.json) terminal.out(JSON.stringify({ ...accepted, saved: [] }, null, 2))
      goesOn()
    })
    const timeoutMs = options.wait === undefined ? undefined : options.wait * 1000
    const generation = await client
      .wait(accepted.id, { onUpdate: (seen) => progress?.update(accepted.model, seen), ...(timeoutMs === undefined ? {} : { timeoutMs }) })
      .finally(() => progress?.end())
    const paths = await saveImages(client, generation, options.out, generation.id)
    terminal.out(options.json ? JSON.stringify({ ...generation, saved: paths }, null, 2) : generationReport(generation, paths))
    const left = !isTerminal(generation.status)
    if (left) goesOn()
    return generation.status === 'succeeded' || left ? 0 : 1
  })
}

const whatNext = (id: string, options: GenerateOptions): string =>
  `\`${fetchLater(id, options.out, options)}\` saves its images, \`${stopIt(id, options)}\` stops it.`
