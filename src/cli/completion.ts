import { Argument, Command } from 'commander'
import type { Verb } from './verb.ts'

const SHELLS = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof SHELLS)[number]

/** Words of the command line: each verb with its flags, read from the program itself. */
interface Words {
  readonly verbs: readonly { readonly name: string; readonly description: string; readonly flags: readonly string[] }[]
}

export const completionVerb: Verb = (terminal, finish) =>
  new Command('completion')
    .description('print a script that completes verbs and flags in your shell')
    .addArgument(new Argument('<shell>', 'the shell it is for').choices(SHELLS))
    .option('--json', 'print JSON')
    .action((shell: Shell, { json }: { readonly json?: boolean }, command: Command) => {
      const words = wordsOf(command.parent ?? command)
      terminal.out(json ? JSON.stringify(words, null, 2) : scriptFor(shell, words))
      return finish(Promise.resolve(0))
    })

const wordsOf = (program: Command): Words => ({
  verbs: program.commands.map((command) => ({
    name: command.name(),
    description: command.description(),
    flags: [...command.options.flatMap(({ long }) => long ?? []), '--help'],
  })),
})

function scriptFor(shell: Shell, { verbs }: Words): string {
  const names = verbs.map(({ name }) => name).join(' ')
  switch (shell) {
    case 'bash':
      return `_imagegate() {
  local word="\${COMP_WORDS[COMP_CWORD]}" words="${names} --help --version"
  case "\${COMP_WORDS[1]}" in
${verbs.map(({ name, flags }) => `    ${name}) [ "$COMP_CWORD" -gt 1 ] && words="${flags.join(' ')}" ;;`).join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _imagegate imagegate`
    case 'zsh':
      return `#compdef imagegate
_imagegate() {
  if (( CURRENT == 2 )); then
    local -a verbs=(${verbs.map(({ name, description }) => `'${name}:${quoted(description)}'`).join(' ')})
    _describe verb verbs
    return
  fi
  case "$words[2]" in
${verbs.map(({ name, flags }) => `    ${name}) compadd -- ${flags.join(' ')} ;;`).join('\n')}
  esac
  _files
}
compdef _imagegate imagegate`
    case 'fish':
      return [
        'complete -c imagegate -n __fish_use_subcommand -f',
        ...verbs.map(({ name, description }) => `complete -c imagegate -n __fish_use_subcommand -a ${name} -d '${quoted(description)}'`),
        ...verbs.flatMap(({ name, flags }) =>
          flags.map((flag) => `complete -c imagegate -n '__fish_seen_subcommand_from ${name}' -l ${flag.slice(2)}`),
        ),
      ].join('\n')
  }
}

const quoted = (text: string): string => text.replaceAll("'", '’')
