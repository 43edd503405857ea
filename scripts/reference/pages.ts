/** The generated files of docs/reference/ and of the chart: file name -> text. Everything comes from the code that does the work. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { policyFiles } from '../../providers/aws/iam.ts'
import { projectRoot } from '../source-files.ts'
import { analysisPage } from './analysis.ts'
import { chartFiles } from './chart.ts'
import { commandsPage } from './commands.ts'
import { customResourcesPage } from './custom-resources.ts'
import { metricsPage } from './metrics.ts'
import { proxyPage, recordedOn } from './proxy.ts'
import { proxySettingsPage } from './proxy-settings.ts'
import { servicesPage } from './services.ts'

export const generatedNote = '<!-- Written by `npm run docs` from the code. Do not edit. -->\n'

export async function referencePages(): Promise<Map<string, string>> {
  const pages: [string, string][] = [
    ['docs/reference/analysis.md', analysisPage()],
    ['docs/reference/commands.md', await commandsPage()],
    ['docs/reference/custom-resources.md', await customResourcesPage()],
    ['docs/reference/metrics.md', await metricsPage()],
    ['docs/reference/proxy.md', proxyPage(recordedOn(committed('docs/reference/proxy.md')))],
    ['docs/reference/proxy-settings.md', proxySettingsPage()],
    ['docs/reference/services.md', await servicesPage()],
  ]
  return new Map([
    ...pages.map(([file, text]): [string, string] => [file, generatedNote + text]),
    ...(await chartFiles()),
    ...policyFiles(),
  ])
}

function committed(file: string): string {
  const path = join(projectRoot, file)
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}
