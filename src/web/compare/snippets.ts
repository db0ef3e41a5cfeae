import { shellQuoted } from '../../client/shell-quoted.ts'

/** A request as a person would write it down to run it elsewhere. */
export interface Snippet {
  readonly name: 'curl' | 'TypeScript' | 'Python' | 'YAML route'
  readonly text: string
}

type Request = Readonly<Record<string, unknown>>

/**
 * A terminal takes control characters of what is pasted for keys (DEL takes the quote away that stands before it), and marks that turn the direction
 * of text hide what is pasted. JSON, TypeScript and Python read their escapes alike.
 */
const written = (value: unknown, indent?: number): string =>
  JSON.stringify(value, null, indent).replaceAll(
    /(?!\n)[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

/** `provider` is the one whose route is written as YAML; null: that of the cheapest. Each text runs as it stands. */
export function snippetsOf(request: Request, provider: string | null, origin: string): readonly Snippet[] {
  const { provider: routing, ...asked } = request
  const sent =
    provider === null ? { ...asked, ...(routing === undefined ? {} : { provider: routing }) } : { ...asked, provider: { only: [provider] } }
  const fields = openaiFields(asked, provider)
  const missing = Object.keys(asked).filter((name) => !OPENAI_HAS.has(name))
  const said = missing.length === 0 ? [] : [`OpenAI's API has no field for: ${missing.join(', ')}`]
  return [
    { name: 'curl', text: curl(sent, origin) },
    { name: 'TypeScript', text: [...said.map((line) => `// ${line}`), typescript(fields, origin)].join('\n') },
    { name: 'Python', text: [...said.map((line) => `# ${line}`), python(fields, origin)].join('\n') },
    { name: 'YAML route', text: yaml(asked, provider) },
  ]
}

const curl = (request: Request, origin: string): string =>
  [
    `curl ${origin}/v1/generations \\`,
    `  -H 'content-type: application/json' \\`,
    `  -H 'prefer: wait=60' \\`,
    '  -H "authorization: Bearer ${IMAGEGATE_KEY:-none}" \\',
    `  -d ${shellQuoted(written(request, 2))}`,
  ].join('\n')

const OPENAI_HAS = new Set(['model', 'prompt', 'width', 'height', 'n', 'output_format', 'quality', 'background'])

/** What the `openai` packages can ask of a generation: their client takes no other field. */
function openaiFields(request: Request, provider: string | null): Request {
  const { model, prompt, width, height, n, output_format: format, quality, background } = request
  const given = {
    n,
    size: typeof width === 'number' && typeof height === 'number' ? `${width}x${height}` : undefined,
    output_format: format,
    quality,
    background,
  }
  const named = typeof model === 'string' ? model : ''
  return {
    model: provider === null ? named : `${provider}/${named}`,
    prompt,
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  }
}

const typescript = (fields: Request, origin: string): string =>
  [
    '// npm install openai',
    `import OpenAI from 'openai'`,
    '',
    `const openai = new OpenAI({ baseURL: '${origin}/v1', apiKey: process.env.IMAGEGATE_KEY ?? 'none' })`,
    `const { data } = await openai.images.generate(${written(fields, 2)})`,
    'console.log(data?.[0]?.url)',
  ].join('\n')

/** Strings and whole numbers are written alike in JSON and in Python. */
const python = (fields: Request, origin: string): string =>
  [
    '# pip install openai',
    'import os',
    'from openai import OpenAI',
    '',
    `client = OpenAI(base_url="${origin}/v1", api_key=os.environ.get("IMAGEGATE_KEY", "none"))`,
    'reply = client.images.generate(',
    ...Object.entries(fields).map(([name, value]) => `    ${name}=${written(value)},`),
    ')',
    'print(reply.data[0].url)',
  ].join('\n')

const yaml = (request: Request, provider: string | null): string =>
  [
    '# imagegate.yaml',
    'models:',
    `  ${typeof request['model'] === 'string' ? request['model'] : 'flux-2-pro'}:`,
    `    route: ${provider === null ? '{ sort: price }' : `{ order: [${provider}] }`}`,
  ].join('\n')
