import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import type { GenerationRequest } from '#contract'
import { ClientError, createClient, type Client, type Model } from '../client/client.ts'
import type { Environment } from '../config/environment.ts'
import { loadConfig } from '../config/load.ts'
import { loadCatalogue } from '../catalogue/catalogue.ts'
import type { Verb } from './verb.ts'
import { dryCalls, type DryCall } from './demo-calls.ts'
import { callReport, requestReport, resultReport, summaryOf, warningReport, type DemoRow } from './demo-report.ts'
import { wholeNumber } from './options.ts'
import { showProgress, type Progress } from './progress.ts'
import { saveImages } from './save-images.ts'
import { startGateway } from './start-gateway.ts'
import { VerbFailed, type Terminal } from './terminal.ts'

interface DemoOptions {
  readonly out: string
  readonly prompt: string
  readonly model?: string
  readonly typicalMs: number
  readonly json?: boolean
}

const DEFAULT_PROMPT = 'A lighthouse on a cliff at dawn, oil on canvas'
const DEFAULT_TYPICAL_MS = 2_000

export const demoVerb: Verb = (terminal, finish) =>
  new Command('demo')
    .description(
      'one request to three providers, in the sandbox: shows what each vendor is sent, what came back and what it cost; spends nothing',
    )
    .option('--out <folder>', 'where the images go', 'demo-images')
    .option('--prompt <text>', 'what to show; `sandbox:moderated` and the like rehearse failures', DEFAULT_PROMPT)
    .option('--model <model>', 'default: the one that most providers sell')
    .option('--typical-ms <ms>', 'how long an emulated task typically takes', wholeNumber, DEFAULT_TYPICAL_MS)
    .option('--json', 'print JSON')
    .action((options: DemoOptions) => finish(demo(options, terminal)))

/** Everything happens in a folder of its own with an environment of its own, so that no key can be found and no money spent. */
async function demo(options: DemoOptions, terminal: Terminal): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'imagegate-demo-'))
  try {
    const configFile = join(folder, 'imagegate.yaml')
    await writeFile(configFile, '# The demo uses the defaults.\n')
    const env: Environment = { IMAGEGATE_CONFIG: configFile, IMAGEGATE_DATA: join(folder, 'data'), HOST: '127.0.0.1' }
    const server = await startGateway({ env, overrides: { port: 0, quiet: true, sandboxTypicalMs: options.typicalMs } })
    try {
      if (!server.sandbox) throw new VerbFailed('the demo runs in the sandbox only, and this gateway has a vendor key')
      return await play(createClient({ url: server.url }), env, options, terminal)
    } finally {
      await server.close()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Three whose requests differ the most, side by side on one screen; where none of them sells the model, all that do. */
export const SHOWN_PROVIDERS: readonly string[] = ['bfl', 'runware', 'vtrix']

async function play(client: Client, env: Environment, options: DemoOptions, terminal: Terminal): Promise<number> {
  const print = (text: string | null) => (options.json || text === null ? undefined : terminal.out(`${text}\n`))
  const model = pickModel(await client.models(), options.model)
  const provider = new Set(model.offers.map(({ provider }) => provider))
  const willing = (await client.providers()).map(({ id }) => id).filter((id) => provider.has(id))
  const shown = willing.filter((id) => SHOWN_PROVIDERS.includes(id))
  const providers = shown.length > 0 ? shown : willing
  const request: GenerationRequest = { model: model.id, prompt: options.prompt, width: 1500, height: 1000, seed: 42, output_format: 'png' }
  print(requestReport(request))
  const calls = await dryRun(env, request, providers)
  print(callReport(calls, terminal.columns))
  print('Sandbox: every vendor is emulated on this machine and no money is spent.')

  const progress = options.json ? null : showProgress(terminal, providers)
  const rows = await Promise.all(providers.map((provider) => ask(client, request, provider, options.out, progress)))
  progress?.end()
  if (options.json)
    terminal.out(JSON.stringify({ request, calls, generations: rows.map((row) => row.generation), summary: summaryOf(rows) }, null, 2))
  print(`\n${resultReport(rows)}`)
  print(warningReport(rows))
  print(`Images: ${rows.flatMap(({ saved }) => saved).join(' · ') || 'none'}`)
  return rows.length > 0 && rows.every(({ generation }) => generation?.status === 'succeeded') ? 0 : 1
}

async function dryRun(env: Environment, request: GenerationRequest, providers: readonly string[]): Promise<readonly DryCall[]> {
  const catalogue = await loadCatalogue()
  const loaded = await loadConfig({ env, catalogue })
  return loaded.kind === 'config' ? dryCalls(loaded.config, catalogue.with(loaded.config.relays), request, providers) : []
}

/** The same request, pinned to one provider. A refusal is a row, so that the others are still seen. */
async function ask(client: Client, request: GenerationRequest, provider: string, out: string, progress: Progress | null): Promise<DemoRow> {
  try {
    const accepted = await client.create({ ...request, provider: { only: [provider] } })
    const generation = await client.wait(accepted.id, { onUpdate: (seen) => progress?.update(provider, seen) })
    return { provider, generation, problem: null, saved: await saveImages(client, generation, out, provider) }
  } catch (error) {
    if (!(error instanceof ClientError)) throw error
    return { provider, generation: null, problem: error.message, saved: [] }
  }
}

/** Sold by the most providers; of those, the one that takes the most reference images. */
function pickModel(models: readonly Model[], wanted: string | undefined): Model {
  const most = (model: Model) => Math.max(0, ...model.offers.map(({ limits }) => limits.reference_images.max))
  const sorted = models
    .filter((model) => model.alias_of === null && (wanted === undefined || model.id === wanted))
    .toSorted((left, right) => right.offers.length - left.offers.length || most(right) - most(left))
  const [model] = sorted
  if (model === undefined) throw new VerbFailed(`there is no model ${wanted ?? ''}; there are: ${models.map(({ id }) => id).join(', ')}`)
  return model
}
