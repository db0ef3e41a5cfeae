/** A request as a person would write it down to run it elsewhere. */
export interface Snippet {
  readonly name: 'curl' | 'openai' | 'YAML route'
  readonly text: string
}

type Request = Readonly<Record<string, unknown>>

const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`

/** `provider` is the one whose route is written as YAML; null: that of the cheapest. */
export function snippetsOf(request: Request, provider: string | null, origin: string): readonly Snippet[] {
  const { provider: routing, ...asked } = request
  const sent =
    provider === null ? { ...asked, ...(routing === undefined ? {} : { provider: routing }) } : { ...asked, provider: { only: [provider] } }
  return [
    { name: 'curl', text: curl(sent, origin) },
    { name: 'openai', text: openai(asked, provider, origin) },
    { name: 'YAML route', text: yaml(asked, provider) },
  ]
}

const curl = (request: Request, origin: string): string =>
  [
    `curl ${origin}/v1/generations \\`,
    `  -H 'content-type: application/json' \\`,
    `  -H "authorization: Bearer $IMAGEGATE_KEY" \\`,
    `  -d ${quoted(JSON.stringify(request, null, 2))}`,
  ].join('\n')

function openai(request: Request, provider: string | null, origin: string): string {
  const model = typeof request['model'] === 'string' ? request['model'] : ''
  const size =
    typeof request['width'] === 'number' && typeof request['height'] === 'number'
      ? { size: `${request['width']}x${request['height']}` }
      : {}
  const n = typeof request['n'] === 'number' ? { n: request['n'] } : {}
  const fields = { model: provider === null ? model : `${provider}/${model}`, prompt: request['prompt'], ...size, ...n }
  return [
    `import OpenAI from 'openai'`,
    '',
    `const openai = new OpenAI({ baseURL: '${origin}/v1', apiKey: process.env.IMAGEGATE_KEY ?? 'none' })`,
    `const { data } = await openai.images.generate(${JSON.stringify(fields, null, 2)})`,
    'console.log(data[0].url)',
    '',
    '# Python',
    'from openai import OpenAI',
    `client = OpenAI(base_url="${origin}/v1", api_key="none")`,
    `image = client.images.generate(**${JSON.stringify(fields)})`,
    'print(image.data[0].url)',
  ].join('\n')
}

const yaml = (request: Request, provider: string | null): string =>
  [
    '# imagegate.yaml',
    'models:',
    `  ${typeof request['model'] === 'string' ? request['model'] : 'flux-2-pro'}:`,
    `    route: ${provider === null ? '{ sort: price }' : `{ order: [${provider}] }`}`,
  ].join('\n')
