/** docs/reference/metrics.md: names, types and meanings, read from what the processes answer on /metrics. */
import { createMetrics as operatorMetrics } from '../../operator/metrics.ts'
import { createMetrics as proxyMetrics } from '../../proxy/metrics.ts'
import { markdownTable } from './markdown.ts'

export async function metricsPage(): Promise<string> {
  return `# Metrics

Besides these, both processes answer the usual \`process_*\` and \`nodejs_*\` metrics.

## Operator
${table(await operatorMetrics('0').text())}

## Proxy
${table(await proxyMetrics().text())}
`
}

function table(exposition: string): string {
  const types = new Map(
    [...exposition.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]),
  )
  const rows = [...exposition.matchAll(/^# HELP (\S+) (.*)$/gm)]
    .map(([, name = '', help = '']) => [`\`${name}\``, types.get(name) ?? '', help])
    .filter(([name = '']) => !/^`(process|nodejs)_/.test(name))
    .sort(([a = ''], [b = '']) => a.localeCompare(b))
  return markdownTable(['metric', 'type', 'meaning'], rows)
}
