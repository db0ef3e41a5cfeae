import { shellQuoted } from '../client/shell-quoted.ts'
import type { ConnectOptions } from './connect.ts'

/** Where what was accepted goes on once the command has ended. */
export const whereItGoesOn = ({ embedded, url }: { readonly embedded: boolean; readonly url: string }): string =>
  embedded ? 'when a gateway starts on the same data folder' : `at ${url}`

/** The command that saves the images of a generation once it has ended, with what the command before it named. A gateway key is never repeated. */
export const fetchLater = (id: string, folder: string | undefined, options: ConnectOptions): string =>
  [`imagegate get ${id} --wait`, ...(folder === undefined ? [] : [`--out ${quoted(folder)}`]), ...gatewayNamed(options)].join(' ')

export const stopIt = (id: string, options: ConnectOptions): string => [`imagegate cancel ${id}`, ...gatewayNamed(options)].join(' ')

const gatewayNamed = ({ url, config }: ConnectOptions): readonly string[] => [
  ...(url === undefined ? [] : [`--url ${quoted(url)}`]),
  ...(config === undefined ? [] : [`--config ${quoted(config)}`]),
]

/** As a shell takes it for one word. */
const quoted = (text: string): string => (text === '' || OTHER.test(text) ? shellQuoted(text) : text)
const OTHER = /[^\w./:@%+=-]/
