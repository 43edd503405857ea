/** docs/reference/metrics.md: names, types and meanings, read from what the processes answer on /metrics. */
import { createMetrics as operatorMetrics } from '../../operator/metrics.ts'
import { createMetrics as proxyMetrics } from '../../proxy/metrics.ts'
import { modeNames } from '../../proxy/mode-names.ts'
import { markdownTable } from './markdown.ts'

export async function metricsPage(): Promise<string> {
  const byMode = await Promise.all(modeNames.map(async (mode) => rows(await proxyMetrics(mode).text())))
  return `# Metrics

Besides these, both processes answer the usual \`process_*\` and \`nodejs_*\` metrics.

## Operator
${table(rows(await operatorMetrics('0').text()))}

## Proxy
${table(merged(byMode))}
`
}

interface Row {
  type: string
  meaning: string
}

function rows(exposition: string): Map<string, Row> {
  const types = new Map(
    [...exposition.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]),
  )
  const all = [...exposition.matchAll(/^# HELP (\S+) (.*)$/gm)].map(([, name = '', meaning = '']) => [name, meaning])
  return new Map(
    all.flatMap(([name = '', meaning = '']) =>
      /^(process|nodejs)_/.test(name) ? [] : [[name, { type: types.get(name) ?? '', meaning }]],
    ),
  )
}

/** What not every mode has is told with its modes. */
function merged(byMode: readonly Map<string, Row>[]): Map<string, Row> {
  const all = new Map(byMode.flatMap((each) => [...each]))
  for (const [name, { type, meaning }] of all) {
    const having = modeNames.filter((_, index) => byMode[index]?.has(name))
    if (having.length < modeNames.length) {
      all.set(name, { type, meaning: `${meaning} (mode${having.length > 1 ? 's' : ''} ${having.join(' and ')})` })
    }
  }
  return all
}

function table(metrics: ReadonlyMap<string, Row>): string {
  return markdownTable(
    ['metric', 'type', 'meaning'],
    [...metrics]
      .map(([name, { type, meaning }]) => [`\`${name}\``, type, meaning])
      .sort(([a = ''], [b = '']) => a.localeCompare(b)),
  )
}
