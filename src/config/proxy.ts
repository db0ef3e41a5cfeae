import { Secret } from '../transport/secret.ts'
import type { ProxyConfig } from './config.ts'
import type { ConfigDocument } from './document.ts'
import type { Variables } from './environment.ts'
import { inEnvironment, type ConfigProblem } from './problem.ts'
import type { ConfigFile } from './schema.ts'

interface ProxySources {
  readonly file: ConfigFile
  readonly document: ConfigDocument
  readonly variables: Variables
  readonly problems: ConfigProblem[]
}

/** In this order; what vendors are called by is https. */
const PROXY_VARIABLES = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy'] as const
const NO_PROXY_VARIABLES = ['NO_PROXY', 'no_proxy'] as const

const PATH = ['network', 'proxy'] as const
const REMEDY = 'write http://host:port or https://host:port, with user:password@ before the host where it asks for them'

/** The proxy that everything outside this machine is reached through: `network.proxy`, else the usual variables. An empty `network.proxy` is none. */
export function readProxy(sources: ProxySources): ProxyConfig | null {
  const { file, document, variables, problems } = sources
  const found = writtenProxy(sources)
  if (found === null) return null
  const url = URL.parse(found.text.includes('://') ? found.text : `http://${found.text}`)
  const refuse = (message: string, remedy: string): null => {
    // The text may hold a password, so it is not repeated.
    problems.push(found.source === PATH.join('.') ? document.at(PATH, message, remedy) : inEnvironment(found.source, message, remedy))
    return null
  }
  const isProxy = url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && url.pathname + url.search + url.hash === '/'
  if (!isProxy) return refuse('is not the address of an http or https proxy', REMEDY)
  if (!isDecodable(url.username) || !isDecodable(url.password))
    return refuse('has a user name or a password with a % that begins no character', 'write %25 for the % itself')
  const noProxy = file.network?.no_proxy || firstOf(NO_PROXY_VARIABLES, variables)?.text || ''
  return {
    url: new Secret(url.href),
    address: `${url.protocol}//${url.host}`,
    source: found.source,
    noProxy: noProxy.split(/[\s,]+/).filter((name) => name !== ''),
  }
}

/** The result is used: a bundler takes a call away whose result nobody wants. */
function isDecodable(text: string): boolean {
  try {
    return decodeURIComponent(text).length <= text.length
  } catch {
    return false
  }
}

interface Written {
  readonly text: string
  /** The dotted key, or the variable's name. */
  readonly source: string
}

function writtenProxy({ file, document, variables }: ProxySources): Written | null {
  const text = file.network?.proxy
  if (text) return { text, source: PATH.join('.') }
  // Written out, empty means none; out of a variable that is unset, it is as if it were not written.
  return text === '' && document.variables(PATH).length === 0 ? null : firstOf(PROXY_VARIABLES, variables)
}

function firstOf(names: readonly string[], variables: Variables): Written | null {
  for (const source of names) {
    const text = variables.read(source)
    if (text !== null) return { text, source }
  }
  return null
}
