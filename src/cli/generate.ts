import { randomUUID } from 'node:crypto'
import { FAILURES, isTerminal, type Generation } from '#contract'
import type { Verb } from './verb.ts'
import { withGateway, type ConnectOptions } from './connect.ts'
import { wholeNumber } from './options.ts'
import { showProgress } from './progress.ts'
import { requestCommand } from './request-command.ts'
import { requestFromOptions, type RequestOptions } from './request-from-options.ts'
import { saveImages } from './save-images.ts'
import { seconds, table, thousands } from './table.ts'
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
    .option('--no-wait', 'print the id at once')
    .action((prompt: string, options: GenerateOptions) => finish(generate(prompt, options, terminal)))

async function generate(prompt: string, options: GenerateOptions, terminal: Terminal): Promise<number> {
  const request = await requestFromOptions(prompt, options)
  return withGateway(options, terminal, async ({ client, url, embedded }) => {
    const note = (text: string) => (options.json ? undefined : terminal.err(text))
    note(embedded ? 'No gateway runs here: one was started inside this command.' : `Talking to ${url}.`)
    const accepted = await client.create(request, { idempotencyKey: randomUUID() })
    note(`${accepted.id} accepted${accepted.sandbox ? ' (sandbox: emulated vendors, no money is spent)' : ''}`)
    const generation = options.wait === false ? accepted : await watch(accepted)
    const paths = await saveImages(client, generation, options.out, generation.id)
    terminal.out(options.json ? JSON.stringify({ ...generation, saved: paths }, null, 2) : describe(generation, paths))
    const left = !isTerminal(generation.status)
    if (left && embedded)
      note('This command ran the gateway itself: the generation continues when a gateway starts on the same data folder.')
    return generation.status === 'succeeded' || (left && options.wait !== undefined) ? 0 : 1

    async function watch(accepted: Generation): Promise<Generation> {
      const progress = options.json ? null : showProgress(terminal, [accepted.model])
      try {
        return await client.wait(accepted.id, {
          onUpdate: (seen) => progress?.update(accepted.model, seen),
          ...(typeof options.wait === 'number' ? { timeoutMs: options.wait * 1000 } : {}),
        })
      } finally {
        progress?.end()
      }
    }
  })
}

function describe(generation: Generation, paths: readonly string[]): string {
  const { images, cost, error, warnings, provider, provider_model: providerModel, timing } = generation
  const facts = [
    ['generation', generation.id],
    ['status', generation.status],
    ['model', generation.model],
    ...(provider === null ? [] : [['provider', `${provider} (${providerModel ?? '–'})`]]),
    ['time', seconds(timing.total_ms)],
    ['quoted', cost.quoted === null ? 'no published price' : `$${cost.quoted}`],
    ['cost', cost.amount === null ? 'unknown' : `$${cost.amount} (${cost.basis})`],
  ]
  const width = Math.max(...facts.map(([name = '']) => name.length))
  const rows = images.map((image, index) => [
    paths[index] ?? '–',
    image.width === null ? '–' : `${image.width}×${image.height ?? '–'}`,
    image.format ?? '–',
    image.bytes === null ? '–' : thousands(image.bytes),
    image.seed ?? '–',
  ])
  return [
    facts.map(([name = '', value = '']) => `${name.padEnd(width)}  ${value}`).join('\n'),
    ...(rows.length > 0 ? ['', table(['image', 'size', 'format', 'bytes', 'seed'], rows)] : []),
    ...(warnings.length > 0 ? ['', ...warnings.map((warning) => `adapted: ${warning.field}: ${warning.reason}`)] : []),
    ...(error === null
      ? []
      : ['', `failed: ${error.code}: ${error.message}`, `what to do: ${FAILURES[error.code].remedy}`, billing(error.billed)]),
  ].join('\n')
}

function billing(billed: boolean | 'unknown'): string {
  if (billed === 'unknown') return 'billed: perhaps; the vendor did not say'
  return billed ? 'billed: yes' : 'billed: no'
}
