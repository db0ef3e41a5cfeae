import type { Generation } from '#contract'
import type { Client } from '../client/client.ts'
import type { Verb } from './verb.ts'
import { withGateway, type ConnectOptions } from './connect.ts'
import { checkFolder } from './folder.ts'
import { generationReport } from './generation-report.ts'
import { gatewayCommand } from './options.ts'
import { saveImages } from './save-images.ts'

interface GetOptions extends ConnectOptions {
  readonly wait?: boolean
  readonly out?: string
  readonly json?: boolean
}

export const getVerb: Verb = (terminal, finish) =>
  gatewayCommand('get', 'one generation: what became of it, what it cost, and its images')
    .argument('<id>', 'as `imagegate generate` or `imagegate list` prints it')
    .option('--wait', 'wait for its end')
    .option('--out <folder>', 'save its images there')
    .action((id: string, options: GetOptions) =>
      finish(
        withGateway(options, terminal, async ({ client, ifInterrupted }) => {
          if (options.wait === true && !options.json)
            ifInterrupted(() => terminal.err(`${id} goes on: \`imagegate get ${id} --wait\` waits again.`))
          if (options.out !== undefined) await checkFolder('--out', options.out)
          const generation = options.wait === true ? await client.wait(id) : await client.get(id)
          const paths = options.out === undefined ? null : await saveImages(client, generation, options.out, generation.id)
          terminal.out(
            options.json
              ? JSON.stringify(paths === null ? generation : { ...generation, saved: paths }, null, 2)
              : generationReport(generation, paths ?? []),
          )
          return 0
        }),
      ),
    )

export const cancelVerb: Verb = (terminal, finish) =>
  gatewayCommand('cancel', 'stop a generation, and say whether its vendor may still bill it')
    .argument('<id>', 'as `imagegate generate` or `imagegate list` prints it')
    .action((id: string, options: ConnectOptions & { readonly json?: boolean }) =>
      finish(
        withGateway(options, terminal, async ({ client }) =>
          cancel(client, id, (generation) =>
            terminal.out(options.json ? JSON.stringify(generation, null, 2) : generationReport(generation, [])),
          ),
        ),
      ),
    )

/** 0 where it is canceled, 1 where it had ended before. */
async function cancel(client: Client, id: string, show: (generation: Generation) => void): Promise<number> {
  const generation = await client.cancel(id)
  show(generation)
  return generation.status === 'canceled' ? 0 : 1
}
