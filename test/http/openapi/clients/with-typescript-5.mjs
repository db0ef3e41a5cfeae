// TypeScript 7 has no API for programs; the generators get that of TypeScript 5.
import { registerHooks } from 'node:module'

registerHooks({ resolve: (specifier, context, next) => next(specifier === 'typescript' ? 'typescript-5' : specifier, context) })
