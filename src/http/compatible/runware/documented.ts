import { z } from 'zod'
import type { Examples } from '../../openapi/examples.ts'
import { MAX_TASKS } from './messages.ts'

/** Runware's shapes for the document of our API; what is sent is judged by `checks.ts`. */
const Task = z.looseObject({ taskType: z.string(), taskUUID: z.string().optional() }).meta({ id: 'RunwareTask' })
const Entry = z.looseObject({ code: z.string(), message: z.string() }).meta({ id: 'RunwareErrorEntry' })
const Answer = z.looseObject({ data: z.array(z.looseObject({})), errors: z.array(Entry).optional() }).meta({ id: 'RunwareAnswer' })
const RunwareError = z.looseObject({ errors: z.array(Entry), data: z.array(z.looseObject({})).optional() }).meta({ id: 'RunwareError' })

const STATUSES = [400, 401, 402, 403, 404, 413, 414, 415, 429, 500, 502, 503, 504] as const

export const TASKS = {
  takes: z.array(Task).min(1).max(MAX_TASKS).meta({ id: 'RunwareTasks', description: 'Fields by task type, as Runware documents them.' }),
  response: { 200: Answer, ...Object.fromEntries(STATUSES.map((status) => [status, RunwareError])) },
}

export const RUNWARE_EXAMPLES: Examples = {
  runwareTasks: {
    body: {
      'one image': {
        summary: 'One image',
        value: [
          {
            taskType: 'imageInference',
            taskUUID: '50836053-a0ee-4cf5-b9d6-ae7c5d140ada',
            model: 'bfl:5@1',
            positivePrompt: 'A lighthouse on a cliff at dawn',
            width: 1024,
            height: 768,
            includeCost: true,
          },
        ],
      },
    },
  },
}
