/** Columns of custom resources: additionalPrinterColumns, or Name and Age. Source: apiextensions-apiserver tableconvertor.go. */
import { plainText } from '../json.ts'
import type { DefinitionVersion, PrinterColumn } from '../crd/definition.ts'
import { ageColumn, column, nameColumn, nameOf, since, type TableView } from './column.ts'
import { findValues, parseJsonPath } from './json-path.ts'

const defaultColumns: readonly PrinterColumn[] = [
  { ...ageColumn, type: 'date', jsonPath: '.metadata.creationTimestamp' },
]

export function customTable(version: DefinitionVersion): TableView {
  const given = version.additionalPrinterColumns
  const columns = (given && given.length > 0 ? given : defaultColumns).map((printed) => ({
    printed,
    path: parseJsonPath(printed.jsonPath),
  }))
  return {
    columns: [
      nameColumn,
      ...columns.map(({ printed }) =>
        column(printed.name, {
          type: printed.type,
          format: printed.format ?? '',
          description: printed.description ?? '',
          priority: printed.priority ?? 0,
        }),
      ),
    ],
    cells(object, now) {
      const rest = columns.map(({ printed, path }) => {
        const values = path ? findValues(object, path) : []
        return values.length === 0 ? null : cell(printed.type, values, now)
      })
      return [nameOf(object), ...rest]
    },
  }
}

function cell(type: string, values: unknown[], now: number): unknown {
  const [value] = values
  if (value === null || value === undefined) return type === 'string' ? '' : null
  if (type === 'string') return typeof value === 'object' ? JSON.stringify(value) : plainText(value)
  if (type === 'date') return typeof value === 'string' ? dateCell(value, now) : null
  if (type === 'integer') return typeof value === 'number' ? Math.trunc(value) : null
  if (type === 'number') return typeof value === 'number' ? value : null
  return type === 'boolean' && typeof value === 'boolean' ? value : null
}

function dateCell(value: string, now: number): string {
  return Number.isNaN(Date.parse(value)) ? '<invalid>' : since(value, now)
}
