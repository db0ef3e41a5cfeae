import { FAILURES, HTTP_PROBLEMS } from '../../src/contract/index.ts'
import { readText } from '../support/source-tree.ts'

const BEGIN = (name: string): string => `<!-- ${name}: written by \`npm run map\` from src/contract -->`
const END = '<!-- end -->'

const yes = (is: boolean): string => (is ? 'yes' : 'no')

const failures = (): string =>
  [
    '| code | HTTP | what it means | retryable | next provider tried | what to do |',
    '|---|---|---|---|---|---|',
    ...Object.entries(FAILURES).map(
      ([code, { http, meaning, retryable, fallback, remedy }]) =>
        `| \`${code}\` | ${http} | ${meaning} | ${yes(retryable)} | ${yes(fallback)} | ${remedy} |`,
    ),
  ].join('\n')

const httpProblems = (): string =>
  [
    '| code | HTTP | what it means | what to do |',
    '|---|---|---|---|',
    ...Object.entries(HTTP_PROBLEMS).map(([code, { http, meaning, remedy }]) => `| \`${code}\` | ${http} | ${meaning} | ${remedy} |`),
  ].join('\n')

/** docs/errors.md with the tables of codes as src/contract has them now. */
export const wantedErrors = (): string =>
  [['failures', failures()] as const, ['HTTP only', httpProblems()] as const].reduce(replaced, readText('docs/errors.md'))

function replaced(text: string, [name, table]: readonly [string, string]): string {
  const begin = text.indexOf(BEGIN(name))
  const end = text.indexOf(END, begin)
  if (begin < 0 || end < 0) throw new Error(`docs/errors.md has no part "${BEGIN(name)}"`)
  return `${text.slice(0, begin)}${BEGIN(name)}\n${table}\n${text.slice(end)}`
}
