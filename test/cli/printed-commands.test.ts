import { expect, test } from 'vitest'
import { runCommandLine } from '../../src/cli/command-line.ts'
import { EXAMPLES } from '../../src/cli/examples.ts'
import { filesBelow, readText } from '../support/source-tree.ts'
import { fakeTerminal } from './fake-gateway.ts'

interface Words {
  readonly verbs: readonly { readonly name: string; readonly flags: readonly string[] }[]
}

test('every imagegate command that a document prints has a verb and flags that there are', async () => {
  const terminal = fakeTerminal()
  await runCommandLine(['completion', 'bash', '--json'], terminal)
  const { verbs } = JSON.parse(terminal.stdout()) as Words
  const documents = filesBelow(['.'], (path) => path === 'README.md' || /^docs\/.*\.md$/.test(path))
  const blocks = documents.flatMap((path) =>
    [...readText(path).matchAll(/^```(?:sh|bash)\n([\s\S]*?)^```/gm)].map(([, block = '']) => ({ path, block })),
  )
  const printed = blocks.flatMap(({ path, block }) =>
    [...block.replaceAll('\\\n', ' ').matchAll(/(?:npm run imagegate --|npx imagegate) ([a-z]+)([^\n|;&>#]*)/g)].map(
      ([, verb = '', rest = '']) => ({ path, verb, rest }),
    ),
  )
  const wrong = printed.flatMap(({ path, verb, rest }) => {
    const known = verbs.find(({ name }) => name === verb)
    if (!known) return [`${path}: ${verb}`]
    const flags = [...rest.replaceAll(/"[^"]*"/g, '').matchAll(/(?<=\s)--[a-z-]+/g)].map(([flag]) => flag)
    return verb === 'keys' ? [] : flags.filter((flag) => !known.flags.includes(flag)).map((flag) => `${path}: ${verb} ${flag}`)
  })
  expect(printed.length).toBeGreaterThan(1)
  expect(wrong).toEqual([])
})

test('every verb’s help ends with an example, of that verb, with --json among its flags', async () => {
  const terminal = fakeTerminal()
  await runCommandLine(['completion', 'bash', '--json'], terminal)
  const { verbs } = JSON.parse(terminal.stdout()) as Words
  expect(Object.keys(EXAMPLES).toSorted()).toEqual(verbs.map(({ name }) => name).toSorted())
  for (const { name, flags } of verbs) {
    expect([name, flags.includes('--json')]).toEqual([name, true])
    const help = fakeTerminal()
    expect(await runCommandLine([name, '--help'], help)).toBe(0)
    expect(
      help
        .stdout()
        .trimEnd()
        .split('\n')
        .slice(-(EXAMPLES[name]?.length ?? 0))
        .map((line) => line.trim()),
    ).toEqual(EXAMPLES[name])
    for (const line of EXAMPLES[name] ?? []) {
      expect(line).toContain(`imagegate ${name}`)
      for (const [flag] of line.replaceAll(/"[^"]*"/g, '').matchAll(/(?<=\s)--[a-z-]+/g)) expect(flags, line).toContain(flag)
    }
  }
})
