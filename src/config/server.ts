import { withoutTrailing } from '#contract'
import { LOG_LEVELS, type Config, type LogLevel } from './config.ts'
import type { Variables } from './environment.ts'
import { inEnvironment, suggest, type ConfigProblem } from './problem.ts'
import type { ConfigFile } from './schema.ts'

const DEFAULT_HOST = '127.0.0.1'
const DEFAULT_PORT = 8080
const DEFAULT_BODY_LIMIT_BYTES = 67_108_864

/** Where to listen: environment before file before default. Whether a public address has a key, `protection.ts` judges. */
export function readServer(file: ConfigFile, variables: Variables, problems: ConfigProblem[]): Pick<Config, 'server' | 'logLevel'> {
  const publicUrl = file.server?.public_url
  const host = variables.read('HOST') ?? file.server?.host ?? DEFAULT_HOST
  return {
    server: {
      host,
      port: readPort(variables, problems) ?? file.server?.port ?? DEFAULT_PORT,
      publicUrl: publicUrl === undefined ? null : withoutTrailing(publicUrl, '/'),
      bodyLimitBytes: file.server?.body_limit_bytes ?? DEFAULT_BODY_LIMIT_BYTES,
      corsOrigins: file.server?.cors?.origins ?? [],
    },
    logLevel: readLogLevel(variables, problems),
  }
}

function readPort(variables: Variables, problems: ConfigProblem[]): number | null {
  const text = variables.read('PORT')
  if (text === null) return null
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (port <= 65_535) return port
  problems.push(inEnvironment('PORT', `"${text.slice(0, 20)}" is not a port`, 'write a number from 0 to 65535'))
  return null
}

function readLogLevel(variables: Variables, problems: ConfigProblem[]): LogLevel {
  const text = variables.read('LOG_LEVEL') ?? 'info'
  const level = LOG_LEVELS.find((level) => level === text.toLowerCase())
  if (level === undefined) problems.push(inEnvironment('LOG_LEVEL', `"${text.slice(0, 20)}" is not a level`, suggest(text, LOG_LEVELS)))
  return level ?? 'info'
}
