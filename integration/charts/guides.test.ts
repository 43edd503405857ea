/** The values that the guides print are values the chart takes. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { requires } from '../../scripts/requires.ts'
import { projectRoot } from '../../scripts/source-files.ts'
import { render } from './helm.ts'

const guides = join(projectRoot, 'docs/guides')

describe('guides', { skip: requires('helm') }, () => {
  for (const guide of readdirSync(guides)) {
    const blocks = readFileSync(join(guides, guide), 'utf8').matchAll(/^```yaml\n([^]*?)^```$/gm)
    const values = [...blocks].map(([, text = '']) => text).filter((text) => text.includes('clusterId:'))
    for (const [index, text] of values.entries()) {
      test(`${guide}: values ${index + 1}`, async () => {
        const kinds = (await render(parse(text) as object)).map(({ kind }) => kind)
        assert.ok(kinds.includes('Deployment'))
      })
    }
  }
})
