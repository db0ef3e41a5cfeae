import type { Examples } from '../openapi/examples.ts'
import { BFL_EXAMPLES } from './bfl/documented.ts'
import { MCP_EXAMPLES } from './mcp/documented.ts'
import { OPENAI_EXAMPLES } from './openai/examples.ts'
import { RUNWARE_EXAMPLES } from './runware/documented.ts'

/** Examples of the compatible APIs, for the document of our API. */
export const COMPATIBLE_EXAMPLES: Examples = { ...OPENAI_EXAMPLES, ...BFL_EXAMPLES, ...RUNWARE_EXAMPLES, ...MCP_EXAMPLES }
