import { useQuery } from '@tanstack/preact-query'
import { useState } from 'preact/hooks'
import { client } from '../shell/gateway.ts'
import { duration, plural } from '../format/facts.ts'
import { Note } from '../parts/note.tsx'
import '../styles/calls.css'

type Calls = Awaited<ReturnType<ReturnType<typeof client>['calls']>>
type Call = Calls['data'][number]

const OPEN_AGAIN_MS = 2_000

interface CallsOfProps {
  readonly id: string
  /** Its number, from 1. */
  readonly attempt: number
  readonly isOpen: boolean
  /** Of many attempts the calls are asked for when they are wanted. */
  readonly isOneOfMany: boolean
}

/** "2 calls": opens what was said to the provider and what it answered. */
export function CallsOf({ id, attempt, isOpen, isOneOfMany }: CallsOfProps) {
  const [isShown, show] = useState(false)
  const { data, error } = useQuery({
    queryKey: ['calls', id, attempt, isOpen],
    queryFn: () => client().calls(id, attempt),
    staleTime: isOpen ? 0 : Infinity,
    enabled: isShown || !isOneOfMany,
    refetchInterval: isShown && isOpen ? OPEN_AGAIN_MS : false,
  })
  if (error !== null) return <Note kind="red">{error.message}</Note>
  if (data === undefined ? !isOneOfMany : data.data.length === 0 && !isShown) return null
  return (
    <>
      <button type="button" class="link" aria-expanded={isShown} onClick={() => show(!isShown)}>
        {data === undefined ? 'Calls' : plural(data.data.length, 'call')}
        <span class="hidden"> of attempt {attempt}</span>
      </button>
      {isShown && data !== undefined ? (
        <div class="calls">
          {data.complete || isOpen ? null : <p class="small two">The gateway was restarted meanwhile: only calls after that are kept.</p>}
          {data.data.map((call, at) => (
            <OneCall key={at} call={call} name={`call ${at + 1} of attempt ${attempt}`} />
          ))}
        </div>
      ) : null}
    </>
  )
}

function OneCall({ call, name }: { readonly call: Call; readonly name: string }) {
  const { method, url, purpose, outcome, reason, repeated, reply, duration_ms: ms } = call
  return (
    <div class="call">
      <div class="small">
        <code>
          {method} {url}
        </code>{' '}
        <span class="two">
          {PURPOSES[purpose]}
          {repeated === 1 ? '' : `, ${repeated} times`}
        </span>
      </div>
      <Body text={call.body} isCut={call.body_truncated} label={`What was sent, ${name}`} />
      <div class="small">
        {reply === null ? <span class="two">{`${OUTCOMES[outcome]}: ${reason ?? ''}`}</span> : <b>{reply.status}</b>}{' '}
        <span class="two num">after {duration(ms)}</span>
      </div>
      {reply === null ? null : <Body text={reply.body} isCut={reply.body_truncated} label={`What was answered, ${name}`} />}
    </div>
  )
}

const PURPOSES = {
  submit: 'submit',
  poll: 'last poll',
  recover: 'question about a lost submit',
  cancel: 'cancel',
} as const satisfies Record<Call['purpose'], string>

const OUTCOMES = {
  replied: 'Replied',
  not_sent: 'Not sent',
  lost: 'No reply',
  refused: 'Not sent',
} as const satisfies Record<Call['outcome'], string>

function Body({ text, isCut, label }: { readonly text: string | null; readonly isCut: boolean; readonly label: string }) {
  if (text === null) return null
  return (
    <pre class="mono" tabIndex={0} role="region" aria-label={label}>
      {indented(text)}
      {isCut ? '\n… only the first 16 kB are kept' : ''}
    </pre>
  )
}

/** JSON on several lines, by its text alone: not a digit of a long number is lost. */
function indented(json: string): string {
  if (!/^[[{]/.test(json)) return json
  let depth = 0
  const newLine = (): string => `\n${'  '.repeat(depth)}`
  return json.replaceAll(/"(?:[^"\\]|\\.)*"|\{\}|\[\]|[{}[\],:]/g, (part) => {
    switch (part) {
      case '{':
      case '[':
        depth++
        return part + newLine()
      case '}':
      case ']':
        depth = Math.max(0, depth - 1)
        return newLine() + part
      case ',':
        return part + newLine()
      case ':':
        return ': '
      default:
        return part
    }
  })
}
