/** docs/reference/commands.md: what each command prints for --help. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { projectRoot } from '../source-files.ts'

const names = ['up', 'tour', 'sandbox', 'operator', 'proxy', 'analyze', 'apiserver', 'balancer']

export async function commandsPage(): Promise<string> {
  const texts = await Promise.all(names.map(helpOf))
  return `# Commands\n\nExit codes: 0 done, 1 could not, 2 wrong flags or files (one line on stderr, nothing was started).\n\n${texts.join('\n')}`
}

async function helpOf(name: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [join(projectRoot, 'cli/main.ts'), name, '--help'])
  return `## roadstead ${name}\n\n\`\`\`\n${stdout.trimEnd()}\n\`\`\`\n`
}
