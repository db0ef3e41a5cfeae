import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import sharp from 'sharp'

export const QUEUE_KEY = 'queue-key-1234567890'

interface Task {
  readonly id: string
  readonly body: Readonly<Record<string, unknown>>
  readonly path: string
  readonly webhook: string | null
  polls: number
  isCanceled: boolean
}

interface Answer {
  readonly status: number
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly isLost?: boolean
}

const answer = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Answer => ({ status, body, headers })

/**
 * Two vendors with a queue, as their own pages describe them; they know nothing of imagegate. Below `/queue` is one whose addresses have
 * nothing to do with the path of the submit, whose result is at an address of its own, and which counts units in a header. Below
 * `/v1` is one whose tasks are listed with the address for callbacks that came with them. A prompt with `lost` is bought and its
 * reply cut off, one with `blocked` refused at the end, one with `slow` ends only by a cancel.
 */
export async function startStrictQueue() {
  const tasks: Task[] = []
  const server = createServer((request, response) => {
    void serve(request, tasks).then(({ status, body, headers = {}, isLost = false }) => {
      if (isLost) return void response.destroy()
      if (Buffer.isBuffer(body)) return void response.writeHead(200, { 'content-type': 'image/png' }).end(body)
      return void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, tasks, close }
}

async function serve(request: IncomingMessage, tasks: Task[]): Promise<Answer> {
  const { host = '', authorization } = request.headers
  const { pathname, searchParams } = new URL(request.url ?? '/', `http://${host}`)
  if (pathname.startsWith('/files/')) return answer(200, await imageOf(tasks.find(({ id }) => pathname.includes(id))))
  if (authorization !== `Key ${QUEUE_KEY}`) return answer(401, { detail: 'no such key', error_type: 'unauthorized' })
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString()
  const body = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>
  const origin = `http://${host}`
  const [, , kind, id = '', verb = ''] = pathname.split('/')
  const task = tasks.find((known) => known.id === id)
  const call = `${request.method} ${kind}${verb === '' ? '' : ` ${verb}`}`
  if (pathname.startsWith('/queue/')) {
    if (call === 'POST acme')
      return submitted(tasks, { body, path: pathname, webhook: searchParams.get('hook') }, (made) => queued(origin, made))
    if (task === undefined) return answer(404, { detail: 'not found', error_type: 'not_found' })
    if (call === 'PUT work cancel') return canceled(task, { status: 'CANCELLATION_REQUESTED' })
    return verb === 'status' ? answer(200, { ...queued(origin, task), status: wordOf(task) }) : resultOf(origin, task)
  }
  if (pathname === '/v1/predictions') {
    if (request.method === 'GET') return answer(200, { next: null, results: tasks.toReversed().map((known) => prediction(origin, known)) })
    return submitted(tasks, { body, path: pathname, webhook: body['webhook'] as string | null }, (made) => prediction(origin, made))
  }
  if (task === undefined) return answer(404, { title: 'not found' })
  if (call === 'POST predictions cancel') canceled(task, {})
  else task.polls += 1
  return answer(200, prediction(origin, task))
}

function submitted(tasks: Task[], made: Pick<Task, 'body' | 'path' | 'webhook'>, reply: (task: Task) => object): Answer {
  const task: Task = { id: `t${tasks.length + 1}`, polls: 0, isCanceled: false, ...made }
  tasks.push(task)
  const { webhook } = task
  // What it says is not believed: it makes the next poll early.
  if (webhook !== null && !promptOf(task).includes('slow'))
    setTimeout(
      () => void fetch(webhook, { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } }).catch(() => null),
      50,
    )
  return { ...answer(201, reply(task)), isLost: promptOf(task).includes('lost') }
}

function canceled(task: Task, body: object): Answer {
  task.isCanceled = true
  return answer(202, body)
}

const promptOf = ({ body }: Task): string => (body['prompt'] ?? (body['input'] as { prompt?: unknown } | undefined)?.prompt ?? '') as string
const isOver = (task: Task): boolean => task.isCanceled || (task.polls > 0 && !promptOf(task).includes('slow'))

function wordOf(task: Task): string {
  task.polls += 1
  return isOver(task) ? 'COMPLETED' : 'IN_PROGRESS'
}

const queued = (origin: string, { id }: Task) => ({
  status: 'IN_QUEUE',
  request_id: id,
  status_url: `${origin}/queue/work/${id}/status`,
  response_url: `${origin}/queue/work/${id}`,
  cancel_url: `${origin}/queue/work/${id}/cancel`,
})

function resultOf(origin: string, task: Task): Answer {
  if (task.isCanceled) return answer(422, { detail: [{ loc: [], msg: 'canceled', type: 'request_cancelled' }] })
  if (promptOf(task).includes('blocked'))
    return answer(422, { detail: [{ loc: ['body', 'prompt'], msg: 'no', type: 'content_policy_violation' }] })
  const result = { images: [{ url: `${origin}/files/${task.id}.png` }], seed: 7 }
  return answer(200, result, { 'x-billable-units': '1.5' })
}

function prediction(origin: string, task: Task): object {
  const status = task.isCanceled ? 'canceled' : isOver(task) ? (promptOf(task).includes('blocked') ? 'failed' : 'succeeded') : 'processing'
  return {
    id: task.id,
    status,
    webhook: task.webhook,
    input: task.body['input'],
    error: status === 'failed' ? 'flagged as sensitive (E005)' : null,
    output: status === 'succeeded' ? [`${origin}/files/${task.id}.png`] : null,
    urls: { get: `${origin}/v1/predictions/${task.id}`, cancel: `${origin}/v1/predictions/${task.id}/cancel` },
  }
}

const imageOf = (task: Task | undefined): Promise<Buffer> =>
  sharp({ create: { width: 64, height: 64, channels: 3, background: { r: 9, g: 9, b: task?.id.length ?? 0 } } })
    .png()
    .toBuffer()
