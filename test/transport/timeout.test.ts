import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { Timeout } from '../../src/transport/timeout.ts'
import { filesBelow, isTypeScript, readText } from '../support/source-tree.ts'

function started(ms: number) {
  const startedAt = performance.now()
  const fired: number[] = []
  const timeout = new Timeout(ms, () => fired.push(performance.now() - startedAt))
  return { timeout, fired }
}

/** The event loop stands still, as in a suspended process. */
function blockFor(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

describe('a timeout', () => {
  it('calls back once when its time is over, and never when it was stopped', async () => {
    const [{ fired }, stopped] = [started(30), started(30)]
    stopped.timeout.stop()
    stopped.timeout.stop()
    await expect.poll(() => fired).toHaveLength(1)
    await sleep(60)
    expect(fired).toEqual([expect.any(Number)])
    expect(fired[0]).toBeGreaterThanOrEqual(29)
    expect(stopped.fired).toEqual([])
  })

  it('begins anew with each touch', async () => {
    const { timeout, fired } = started(400)
    for (let i = 0; i < 5; i += 1) {
      await sleep(30)
      timeout.touch()
    }
    await expect.poll(() => fired).toHaveLength(1)
    expect(fired[0]).toBeGreaterThan(540)
  })

  it('waits for nothing while it is held, and anew from the next touch', async () => {
    const { timeout, fired } = started(40)
    timeout.hold()
    await sleep(150)
    expect(fired).toEqual([])
    timeout.touch()
    await expect.poll(() => fired).toHaveLength(1)
    expect(fired[0]).toBeGreaterThan(180)
  })

  it('does not count time in which the process stood still', async () => {
    const { fired } = started(600)
    await sleep(20)
    blockFor(900)
    await expect.poll(() => fired, { timeout: 3_000 }).toHaveLength(1)
    expect(fired[0]).toBeGreaterThan(1_200)
  })

  it('gives a fresh short chance after a pause that swallowed all of its time', async () => {
    const { fired } = started(200)
    await sleep(100)
    blockFor(900)
    await expect.poll(() => fired, { timeout: 3_000 }).toHaveLength(1)
    expect(fired[0]).toBeGreaterThan(1_190)
  })
})

describe('transport', () => {
  it('sets timers in timeout.ts and in no other file', () => {
    const others = filesBelow(['src/transport'], isTypeScript).filter((path) => /\b(setTimeout|setInterval)\(/.test(readText(path)))
    expect(others).toEqual(['src/transport/timeout.ts'])
  })
})
