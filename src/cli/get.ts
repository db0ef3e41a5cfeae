import { isTerminal, type Generation } from '#contract'
import type { Client } from '../client/client.ts'
import type { Verb } from './verb.ts'
import { withGateway, type ConnectOptions } from './connect.ts'
import { fetchLater } from './fetch-later.ts'
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
            ifInterrupted(() => terminal.err(`${id} goes on: \`${fetchLater(id, options.out, options)}\` waits again.`))
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
          cancel(client, id, (generation, words) => {
            terminal.out(options.json ? JSON.stringify(generation, null, 2) : generationReport(generation, []))
            if (words !== null && !options.json) terminal.err(words)
          }),
        ),
      ),
    )

/** 0 where it is canceled now, 1 where it had ended before; an answer to a cancel does not say which of two canceled it. */
async function cancel(client: Client, id: string, show: (generation: Generation, words: string | null) => void): Promise<number> {
  const before = await client.get(id)
  const generation = isTerminal(before.status) ? before : await client.cancel(id)
  const isCanceledNow = generation !== before && generation.status === 'canceled'
  show(generation, isCanceledNow ? null : `${endedBefore(generation)}; nothing was canceled now.`)
  return isCanceledNow ? 0 : 1
}

const endedBefore = ({ id, status, completed_at: at }: Generation): string =>
  `${id} ${status === 'canceled' ? 'was canceled' : `had ended (${status})`} before${at === null ? '' : `, at ${at}`}`
