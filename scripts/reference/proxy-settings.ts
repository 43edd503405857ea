/** docs/reference/proxy-settings.md: every setting of the proxy with its flags, its fields and its default, from the table they are parsed by. */
import { ignoredFields, ignoredFlags } from '../../proxy/config/ignored.ts'
import { type Setting, settings, type Source } from '../../proxy/config/settings.ts'
import { markdownTable } from './markdown.ts'

export function proxySettingsPage(): string {
  return `# Settings of the proxy

Fields are those of a KubeProxyConfiguration (\`kubeproxy.config.k8s.io/v1alpha1\`), the file that \`--config\` names. Beside a file only the
flags marked * count; the others are named at start. Where a setting has several sources the first one counts. A source for some modes
counts in these; without a mode those for iptables count too, because that is what kube-proxy means by no mode.

${markdownTable(['flag', 'field', 'default', 'meaning'], Object.values<Setting<unknown>>(settings).map(row))}

## Accepted and without effect
What kube-proxy knows and this proxy has no use for. It is named once at start where it says anything but the default.

${markdownTable(['flag or field', 'why'], [...named('--', ignoredFlags), ...named('', ignoredFields)])}
`
}

function row({ sources, kind, usual, help, besideFile }: Setting<unknown>): string[] {
  const of = (from: Source['from']) =>
    sources
      .filter((source) => source.from === from)
      .map(({ name, modes }) => `\`${from === 'flag' ? '--' : ''}${name}\`${modes ? ` (${modes.join(', ')})` : ''}`)
      .join('<br>')
  return [`${of('flag')}${besideFile ? ' *' : ''}`, of('field'), shown(kind.toYaml(usual)), help]
}

function shown(value: unknown): string {
  const isNothing = value === '' || JSON.stringify(value) === '[]' || JSON.stringify(value) === '{}'
  return isNothing ? '' : `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``
}

function named(prefix: string, reasons: Readonly<Record<string, string>>): string[][] {
  return Object.entries(reasons).map(([name, reason]) => [`\`${prefix}${name}\``, reason])
}
