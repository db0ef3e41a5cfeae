import { describe, expect, test } from 'vitest'
import { showProgress } from '../../src/cli/progress.ts'
import { sideBySide, table } from '../../src/cli/table.ts'
import { fakeTerminal, generation } from './fake-gateway.ts'

describe('progress for a person', () => {
  test('draws one line each, redraws them in place, and leaves the last state', () => {
    const terminal = { ...fakeTerminal(), isInteractive: true }
    const progress = showProgress(terminal, ['acme', 'zenith'])
    progress.update('acme', generation())
    progress.update('zenith', generation({ provider: 'zenith', status: 'running', progress: 0.5 }))
    progress.end()
    const drawn = terminal.stderr()
    const last = drawn.slice(drawn.lastIndexOf('\u001b[2A'))
    expect(last).toContain(`✔ acme    ${'█'.repeat(24)}  5.3 s  succeeded at acme\n`)
    expect(last).toMatch(/zenith {2}█{12}░{12} {2}\d+\.\d s {2}running at zenith, 50 %\n$/)
  })

  test('never draws a line wider than the terminal, which would break redrawing', () => {
    const terminal = { ...fakeTerminal(), isInteractive: true, columns: 40 }
    showProgress(terminal, ['a-provider-with-a-rather-long-name']).end()
    const widths = terminal
      .stderr()
      .split('\n')
      .map((line) => line.replaceAll('\u001b[2K', '').replaceAll('\u001b[1A', '').length)
    expect(Math.max(...widths)).toBeLessThan(40)
  })
})

describe('text layouts', () => {
  test('a cell’s line break cannot break the table', () => {
    expect(table(['a', 'b'], [['1\n2', '3']])).toBe('a    b\n───  ─\n1 2  3')
  })

  test('blocks stand beside each other where they fit, else below each other, and no character is lost', () => {
    const blocks = [
      { title: 'one', text: 'x'.repeat(50) },
      { title: 'two', text: 'y' },
    ]
    const wide = sideBySide(blocks, 80)
    expect(wide.split('\n')[0]).toMatch(/^one +│ two$/)
    expect(wide.match(/x/g)).toHaveLength(50)
    expect(sideBySide(blocks, 60)).toBe(`one\n───\n${'x'.repeat(50)}\n\ntwo\n───\ny`)
  })
})
