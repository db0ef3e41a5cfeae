import { Command, InvalidArgumentError } from 'commander'
import { NotUnderstood } from './terminal.ts'

/** A verb that talks to a gateway, with the options they all share. */
export const gatewayCommand = (name: string, description: string): Command =>
  new Command(name)
    .description(description)
    .option('--url <url>', 'a running gateway (default: IMAGEGATE_URL, then the configured address, then one inside this process)')
    .option('--key <key>', 'gateway key (better: IMAGEGATE_KEY, which no process list shows)')
    .option('--config <file>', 'configuration file (default: IMAGEGATE_CONFIG, then ./imagegate.yaml)')
    .option('--json', 'print JSON')

export function wholeNumber(text: string): number {
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(Number(text))) throw new InvalidArgumentError('expected a whole number.')
  return Number(text)
}

export function decimal(text: string): number {
  if (!/^\d{1,9}(\.\d{1,9})?$/.test(text)) throw new InvalidArgumentError('expected a number.')
  return Number(text)
}

/** A tier of effort, or a number as it was taken before there were tiers; the gateway judges the word. */
export const effort = (text: string): string | number => (/^\d+$/.test(text) ? wholeNumber(text) : text)

/** `a,b`, also given several times. */
export const names = (text: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  ...text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== ''),
]

export const each = (text: string, before: readonly string[] = []): readonly string[] => [...before, text]

/** `--metadata key=value`, given several times. */
export const metadataOf = (texts: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf('=')
      if (at < 1) throw new NotUnderstood(`--metadata ${text}: write key=value, for example project=north`)
      return [text.slice(0, at), text.slice(at + 1)]
    }),
  )
