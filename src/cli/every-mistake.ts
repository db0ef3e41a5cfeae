import type { Command } from 'commander'

/** Mistakes that are found once every option is read; before, one that is missing may be yet to come. */
const FOUND_LAST = new Set<string | undefined>(['commander.unknownOption', 'commander.missingArgument', 'commander.excessArguments'])

/** commander names one mistake, and an option that is missing before one that is misspelt. Here an option that is missing is named too, and last. */
export function nameEveryMistake(command: Command): Command {
  const required = command.options.filter(({ mandatory }) => mandatory)
  for (const option of required) option.makeOptionMandatory(false)
  const missing = () =>
    required
      .filter((option) => command.getOptionValue(option.attributeName()) === undefined)
      .map(({ flags }) => `error: required option '${flags}' not specified`)
  const say = command.error.bind(command)
  command.error = (message, options) => say([message, ...(FOUND_LAST.has(options?.code) ? missing() : [])].join('\n'), options)
  return command.hook('preAction', () => {
    const lines = missing()
    if (lines.length > 0) say(lines.join('\n'), { code: 'commander.missingMandatoryOptionValue', exitCode: 1 })
  })
}
