/** The corpus on disk: requests by area, the answers recorded for them, and the differences that are meant to be. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { Answer, Scenario } from './replay.ts'

export interface Recorded {
  name: string
  answers: Answer[]
}

/** A step where we answer differently on purpose. */
export interface Exception {
  area: string
  scenario: string
  /** Index of the step. */
  step: number
  reason: string
}

const folder = new URL('corpus/', import.meta.url)

export function areas(): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json') && !name.includes('.answers.') && name !== 'exceptions.json')
    .map((name) => name.replace(/\.json$/, ''))
    .toSorted()
}

export function scenariosOf(area: string): Scenario[] {
  return read(`${area}.json`) as Scenario[]
}

export function answersOf(area: string): Recorded[] {
  return read(`${area}.answers.json`) as Recorded[]
}

export function exceptions(): Exception[] {
  return existsSync(new URL('exceptions.json', folder)) ? (read('exceptions.json') as Exception[]) : []
}

/** One answer a line, so that a changed answer is a changed line. */
export function writeAnswers(area: string, recorded: readonly Recorded[]): void {
  const blocks = recorded.map(
    ({ name, answers }) =>
      `{"name":${JSON.stringify(name)},"answers":[\n${answers.map((answer) => JSON.stringify(answer)).join(',\n')}\n]}`,
  )
  writeFileSync(new URL(`${area}.answers.json`, folder), `[\n${blocks.join(',\n')}\n]\n`)
}

function read(name: string): unknown {
  return JSON.parse(readFileSync(new URL(name, folder), 'utf8'))
}
